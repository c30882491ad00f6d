/* Stands in for the commands that need runs where the build has only the vendor's tools. */
#include "cli/verify_forms.h"

static int absent(void)
{
    fprintf(stderr,
            "%s: this build has no run tools (built with PLUMB_TOOLS_ONLY); install the full "
            "build\n",
            plumb__cli_name());
    return PLUMB__EXIT_USAGE;
}

int plumb__cmd_show(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent();
}

int plumb__cmd_query(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent();
}

int plumb__verify_run(const plumb__verify_arguments *a, const char *dir, const char *checkpoint)
{
    (void)a, (void)dir, (void)checkpoint;
    return absent();
}

int plumb__verify_run_checkpoint(const plumb__verify_arguments *a)
{
    (void)a;
    return absent();
}
