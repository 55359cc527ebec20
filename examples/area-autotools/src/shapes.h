#ifndef SHAPES_H
#define SHAPES_H

double rectangle_area(double width, double height);

/* Of a triangle, by the lengths of its sides; negative if there is no such triangle. */
double triangle_area(double a, double b, double c);

#endif
