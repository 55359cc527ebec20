#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shapes.h"

static double number(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || value < 0) {
        fprintf(stderr, "area: \"%s\" is no length\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    double area;

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(PACKAGE_VERSION);
        return 0;
    }
    if (argc == 3) {
        area = rectangle_area(number(argv[1]), number(argv[2]));
    } else if (argc == 4) {
        area = triangle_area(number(argv[1]), number(argv[2]), number(argv[3]));
    } else {
        fputs("Usage: area <width> <height>\n       area <side> <side> <side>\n", stderr);
        return 2;
    }
    if (area < 0) {
        fputs("area: no triangle has these sides\n", stderr);
        return 1;
    }
    printf("%g\n", area);
    return 0;
}
