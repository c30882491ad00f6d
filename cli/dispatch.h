/* Finding the command or verb that was named, and handing over to it. */
#ifndef PLUMB_CLI_DISPATCH_H
#define PLUMB_CLI_DISPATCH_H

#include "cli/commands.h"

typedef struct plumb__verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} plumb__verb;

typedef struct plumb__verbs {
    const char *command; /* "manifest"; "" for plumb itself */
    const plumb__verb *list;
    size_t n;
    const char *opening, *closing; /* of the help, around the list */
} plumb__verbs;

/* Takes the options before the verb, then runs it; its argv[0] is the program's name, which
 * getopt skips. */
int plumb__dispatch(const plumb__verbs *verbs, int argc, char **argv);

#endif
