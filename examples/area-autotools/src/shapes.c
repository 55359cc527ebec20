#include "shapes.h"

#include <math.h>

double rectangle_area(double width, double height)
{
    return width * height;
}

double triangle_area(double a, double b, double c)
{
    double s = (a + b + c) / 2;
    double square = s * (s - a) * (s - b) * (s - c);

    return square < 0 ? -1 : sqrt(square);
}
