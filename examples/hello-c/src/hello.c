#include <stdio.h>
#include <string.h>

#define VERSION "1.0.0"

static const char *const USAGE = "Usage: hello [--loud] [name...]\n";

static void greet(const char *name, int loud)
{
    if (name[0] == '\0')
        name = "stranger";
    printf("Hello, %s%s\n", name, loud ? "!" : "");
}

int main(int argc, char **argv)
{
    int loud = 0;
    int first = 1;

    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--version") == 0) {
            puts(VERSION);
            return 0;
        }
        if (strcmp(argv[first], "--help") == 0) {
            fputs(USAGE, stdout);
            return 0;
        }
        if (strcmp(argv[first], "--loud") != 0) {
            fprintf(stderr, "hello: unknown option %s\n%s", argv[first], USAGE);
            return 2;
        }
        loud = 1;
    }

    if (first == argc)
        greet("world", loud);
    for (int i = first; i < argc; i++)
        greet(argv[i], loud);
    return 0;
}
