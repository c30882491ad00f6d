/* Stands in for the commands that need runs where the build has only the vendor's tools. */
#include "cli/impact/impact.h"
#include "cli/manifest/receipt_view.h"
#include "cli/verify/verify_forms.h"

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

int plumb__cmd_impact(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent();
}

/* A withdrawal or revocation is done all the same; the answer to it is given elsewhere. */
json_t *plumb__impact_ask(const plumb__impact_request *request)
{
    (void)request;
    return json_pack("[{s:s,s:b,s:s}]", "run", "(runs)", "reachable", 0, "why",
                     "this build has no run tools (built with PLUMB_TOOLS_ONLY); ask plumb impact "
                     "of the full build");
}

int plumb__receipt_issue(const plumb__receipt_arguments *a)
{
    (void)a;
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
