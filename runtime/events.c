/* Events that are leaves of their own: aborted steps, blocked units, starving layers. Their text is
 * canonical JSON (sorted keys, no white space). Those of a committed step are written into a fixed
 * buffer, since a step allocates nothing (R4). */
#include "runtime/run.h"

#include "base/json.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REASON_BYTES 1000

static plumb_status submit(plumb_run *run, const char *text, plumb_error *err)
{
    return plumb__run_fail(
        run, plumb__bundle_leaf(run->bundle, PLUMB__LEAF_EVENT, text, strlen(text), NULL, err),
        err);
}

plumb_status plumb__event_abort(plumb_run *run, const char *reason, plumb_error *err)
{
    if (!reason) reason = "";
    json_t *text = json_stringn(reason, strnlen(reason, REASON_BYTES));
    if (!text) text = json_string("(the reason was not UTF-8 text)");
    json_t *event = json_pack("{s:i,s:s,s:s,s:b,s:o,s:I}", "attempt", (int)run->attempt, "event",
                              "abort", "kind", "event", "non_finite", run->non_finite, "reason",
                              text, "step", (json_int_t)run->step.step);
    plumb__bytes bytes = {0};
    plumb_status status = event ? plumb__json_dump(event, &bytes, err)
                                : plumb__fail(err, PLUMB_ERR_NO_MEMORY, "abort event");
    if (status == PLUMB_OK) status = plumb__bytes_check(&bytes, err);
    if (status == PLUMB_OK) status = submit(run, plumb__bytes_text(&bytes), err);
    plumb__bytes_free(&bytes);
    json_decref(event);
    return status;
}

plumb_status plumb__event_nonfinite(plumb_run *run, plumb_error *err)
{
    uint32_t units = 0, first = 0;
    uint64_t edges = 0;
    for (uint32_t u = 0; u < run->rows_so_far; u++) {
        uint64_t blocked = 0;
        for (size_t k = 0; k < run->n_uses; k++)
            blocked += run->columns.norm_kind[(size_t)u * run->n_uses + k] == PLUMB__NORM_BOUND;
        if (blocked == 0) continue;
        if (units++ == 0) first = u;
        edges += blocked;
    }
    if (edges == 0) return PLUMB_OK;
    char text[256];
    snprintf(text, sizeof text,
             "{\"attempt\":%" PRIu32 ",\"edges\":%" PRIu64 ",\"event\":\"nonfinite\","
             "\"first_unit\":%" PRIu32 ",\"kind\":\"event\",\"step\":%" PRIu64 ",\"units\":%" PRIu32
             "}",
             run->attempt, edges, first, run->step.step, units);
    plumb__log(PLUMB_LOG_WARNING,
               "step %" PRIu64 ": %" PRIu32 " units had a gradient that is not finite: blocked",
               run->step.step, units);
    return submit(run, text, err);
}

static plumb_status starving(plumb_run *run, const plumb_layer *layer, plumb_error *err)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"attempt\":%" PRIu32 ",\"event\":\"starvation\",\"kind\":\"event\","
             "\"layer\":\"%s\",\"step\":%" PRIu64 ",\"steps\":%" PRIu64 "}",
             run->attempt, layer->name, run->step.step, layer->starved);
    PLUMB_TRY(submit(run, text, err));
    plumb__log(PLUMB_LOG_WARNING, "layer \"%s\": no unit has reached it for %" PRIu64 " steps",
               layer->name, layer->starved);
    if (run->policy.starvation_action != PLUMB__ACTION_HALT) return PLUMB_OK;
    return plumb__run_fail(run,
                           plumb__fail(err, PLUMB_ERR_POLICY,
                                       "layer \"%s\": no unit has reached it for %" PRIu64
                                       " steps, and the policy says halt; step %" PRIu64
                                       " is committed, the run stops here",
                                       layer->name, layer->starved, run->step.step),
                           err);
}

plumb_status plumb__event_starvation(plumb_run *run, plumb_error *err)
{
    const uint32_t limit = run->policy.starvation_steps;
    for (size_t i = 0; i < run->n_layers; i++) {
        plumb_layer *layer = run->layers[i];
        layer->starved = run->live[i] ? 0 : layer->starved + 1;
        if (limit > 0 && layer->starved > 0 && layer->starved % limit == 0)
            PLUMB_TRY(starving(run, layer, err));
    }
    return PLUMB_OK;
}
