/* The answer of impact_ask.c for people. */
#include "cli/impact/impact.h"

#include <inttypes.h>
#include <string.h>

static const char *text_of(const json_t *obj, const char *name)
{
    const char *text = json_string_value(json_object_get(obj, name));
    return text != NULL ? text : "";
}

static int64_t count_of(const json_t *obj, const char *name)
{
    return json_integer_value(json_object_get(obj, name));
}

static double number_of(const json_t *obj, const char *name)
{
    return json_number_value(json_object_get(obj, name));
}

static void print_layers(const json_t *layers)
{
    size_t width = 5;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const size_t n = strlen(text_of(json_array_get(layers, i), "layer"));
        if (n > width) width = n;
    }
    printf("  %-*s  %8s  %7s  %7s  %7s  %10s  %6s\n", (int)width, "layer", "units", "steps",
           "first", "last", "spend_nats", "share");
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *l = json_array_get(layers, i);
        fputs("  ", stdout);
        plumb__cli_print_text(text_of(l, "layer"), (int)width);
        printf("  %8" PRId64 "  %7" PRId64 "  %7" PRId64 "  %7" PRId64 "  %10.4g  %5.1f%%\n",
               count_of(l, "units"), count_of(l, "steps"), count_of(l, "first_step"),
               count_of(l, "last_step"), number_of(l, "spend_nats"), 100 * number_of(l, "share"));
    }
}

static void print_checkpoints(const json_t *checkpoints)
{
    for (int contains = 1; contains >= 0; contains--) {
        const char *title =
            contains ? "  checkpoints that contain it:" : "  checkpoints without it:";
        for (size_t i = 0; i < json_array_size(checkpoints); i++) {
            const json_t *c = json_array_get(checkpoints, i);
            if (json_is_true(json_object_get(c, "contains")) != contains) continue;
            if (title != NULL) puts(title);
            title = NULL;
            fputs("    ", stdout);
            plumb__cli_print_text(text_of(c, "file"), 28);
            printf("  step %" PRId64 "  %.16s…\n", count_of(c, "step"), text_of(c, "digest"));
        }
    }
}

static void print_run(const json_t *run)
{
    fputs("run ", stdout);
    plumb__cli_print_text(text_of(run, "run"), 0);
    if (!json_is_true(json_object_get(run, "reachable"))) {
        fputs(": cannot be asked: ", stdout);
        plumb__cli_print_text(text_of(run, "why"), 0);
        putchar('\n');
        return;
    }
    printf(": %s/%s version %" PRId64 ", %s%s\n", text_of(run, "vendor"), text_of(run, "dataset"),
           count_of(run, "version"),
           json_is_true(json_object_get(run, "closed")) ? "closed" : "open",
           json_is_true(json_object_get(run, "signer_checked")) ? "" : "; signer not checked");
    printf("  records     %" PRId64 " asked for, %" PRId64 " in its manifest, %" PRId64 " used\n",
           count_of(run, "records_asked"), count_of(run, "records_known"),
           count_of(run, "records_used"));
    if (count_of(run, "units_moved") == 0) {
        puts("  learned     nothing from them");
        return;
    }
    printf("  learned     %.4g nats (%.2f%% of the run) from %" PRId64 " units, steps %" PRId64
           " to %" PRId64 "\n",
           number_of(run, "spend_nats"), 100 * number_of(run, "share"),
           count_of(run, "units_moved"), count_of(run, "first_step"), count_of(run, "last_step"));
    print_layers(json_object_get(run, "layers"));
    print_checkpoints(json_object_get(run, "checkpoints"));
}

void plumb__impact_print(const json_t *runs)
{
    if (json_array_size(runs) == 0) puts("no run that is known here used them");
    for (size_t i = 0; i < json_array_size(runs); i++)
        print_run(json_array_get(runs, i));
}
