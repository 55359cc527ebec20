#include <stdio.h>

#include "shapes.h"

static int failures;

static void is(const char *what, double seen, double expected)
{
    if (seen == expected)
        return;
    failures++;
    fprintf(stderr, "%s: expected %g, got %g\n", what, expected, seen);
}

int main(void)
{
    is("a rectangle", rectangle_area(3, 4), 12);
    is("a rectangle without height", rectangle_area(3, 0), 0);
    is("a right triangle", triangle_area(3, 4, 5), 6);
    is("a flat triangle", triangle_area(1, 2, 3), 0);
    is("no triangle", triangle_area(1, 1, 3), -1);
    return failures == 0 ? 0 : 1;
}
