/* plumb-lm: trains a small language model under governance. See --help. */
#include "lm_train.h"

#include <cblas.h>
#include <string.h>

/* The loop ends after its step; asking again changes nothing, so no record is cut short. */
static void on_interrupt(int signal_number)
{
    (void)signal_number;
    lm_interrupted = 1;
}

static void say(plumb_log_level level, const char *message, void *ctx)
{
    (void)ctx;
    fprintf(stderr, "plumb-lm: %s%s\n", level >= PLUMB_LOG_ERROR ? "error: " : "", message);
}

int main(int argc, char **argv)
{
    lm_options options;
    int code = lm_options_parse(argc, argv, &options, stderr);
    if (code != 0) return code;
    if (options.help) {
        lm_options_help(stdout);
        return 0;
    }
    if (options.version) {
        printf("plumb-lm %s\n", plumb_version());
        return 0;
    }
    code = lm_options_check(&options, stderr);
    if (code != 0) return code;
    openblas_set_num_threads(1); /* per call; the calls run side by side on plumb's pool */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = SA_RESTART;
    (void)sigaction(SIGINT, &action, NULL);
    plumb_log_set(say, NULL, PLUMB_LOG_WARNING);
    return lm_train(&options, argc, argv);
}
