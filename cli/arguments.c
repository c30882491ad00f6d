/* The one place where options are read: getopt's own messages say neither which command was meant
 * nor where its help is. */
#include "cli/commands.h"

#include <string.h>

/* How many options the text --NAME or --NAME=VALUE may be short for; *only: the last of them. */
static size_t meant(const char *text, const struct option *options, const struct option **only)
{
    const size_t n = strcspn(text + 2, "=");
    size_t found = 0;
    for (; options->name != NULL; options++) {
        if (strncmp(text + 2, options->name, n) != 0) continue;
        *only = options;
        found++;
    }
    return found;
}

static void complain(const char *command, const char *text, const struct option *options,
                     int option)
{
    const char *before = command[0] != '\0' ? ": " : "";
    const struct option *only = NULL;
    const bool is_long = strncmp(text, "--", 2) == 0;
    const size_t n = is_long ? meant(text, options, &only) : 0;
    const int length = (int)strcspn(text, "=");
    if (option == ':') {
        (void)plumb__cli_usage(command, "%s%s%.*s wants a value", command, before, length, text);
    } else if (optopt != 0 && n == 1 && only->has_arg == no_argument && only->val == optopt) {
        (void)plumb__cli_usage(command, "%s%s--%s takes no value", command, before, only->name);
    } else if (optopt != 0) { /* a letter, perhaps amid others */
        (void)plumb__cli_usage(command, "%s%s-%c is no option", command, before, optopt);
    } else {
        (void)plumb__cli_usage(command, "%s%s%.*s %s", command, before, length, text,
                               n > 1 ? "is short for several options" : "is no option");
    }
}

int plumb__cli_getopt(const char *command, int argc, char **argv, const char *letters,
                      const struct option *options)
{
    opterr = 0;
    const int option = getopt_long(argc, argv, letters, options, NULL);
    if (option == '?' || option == ':') complain(command, argv[optind - 1], options, option);
    return option == ':' ? '?' : option;
}
