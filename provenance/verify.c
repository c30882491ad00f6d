/* plumb_bundle_verify: the stages in order, the first thing that does not hold, and what can be
 * relied on all the same. Reads only. */
#include "provenance/verify.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

typedef plumb_status stage_fn(plumb__verify *v, plumb_error *err);

/* What holds when the stage before this one was the last to hold. */
static const struct {
    stage_fn *run;
    const char *trustworthy;
} stages[] = {
    {plumb__verify_identity, "nothing: who made the record, and that it is whole, is not shown"},
    {plumb__verify_files,
     "run.json and who signed the head; not the files, until the one named above is explained"},
    {plumb__verify_leaves, "every file is as the last inventory lists it; but the steps are not "
                           "shown to be the signed ones"},
    {plumb__verify_policy, "the recorded steps and events are those that were signed"},
    {plumb__verify_manifest,
     "the recorded steps and events are those that were signed; the policy is "
     "the one that the run names"},
    {plumb__verify_layers, "the record is the signed one, under the manifest and policy it names"},
    {plumb__verify_checkpoints,
     "the recorded steps, the manifest and the policy; not this checkpoint"},
    {plumb__verify_rules,
     "the record is what the operator signed, unchanged since; but it does not "
     "follow the rules it names"},
};
#define N_STAGES (sizeof stages / sizeof *stages)
#define NOT_RECOMPUTED                                                                             \
    "the record is what the operator signed, unchanged since; its masks and limits were not "      \
    "recomputed"

void plumb_verify_options_default(plumb_verify_options *options)
{
    *options = (plumb_verify_options){.size = sizeof *options, .version = 1};
}

void plumb__verify_free(plumb__verify *v)
{
    plumb__record_free(v->record);
    plumb_manifest_free(v->manifest);
    plumb__run_json_free(&v->run);
    plumb__operators_free(&v->certificates);
    for (size_t i = 0; i < v->n_found; i++)
        plumb__free(v->found[i].name);
    plumb__free(v->found);
    plumb__free(v->leaves);
    plumb__bytes_free(&v->run_bytes);
    plumb__bytes_free(&v->head_bytes);
    plumb__bytes_free(&v->certificate_bytes);
    plumb__bytes_free(&v->notes);
    *v = (plumb__verify){0};
}

static void fill_report(plumb__verify *v, plumb_verify_report *report)
{
    report->closed = v->record != NULL && plumb__verify_state(v) == PLUMB__SEAL_CLOSED;
    report->signer_checked = v->trust != NULL;
    report->rules_checked = v->manifest != NULL;
    report->leaves = v->n_leaves;
    report->leaves_signed = v->head.size;
    report->steps = v->steps;
    report->units = v->units;
    report->files = v->n_found;
    report->edges_checked = v->edges_checked;
    memcpy(report->run_id, v->run.run_id, sizeof report->run_id);
    memcpy(report->operator_keyid, v->certificates.keyid, sizeof report->operator_keyid);
    snprintf(report->notes, sizeof report->notes, "%s", plumb__bytes_text(&v->notes));
}

static plumb_status require_closed(const plumb__verify *v, const plumb_verify_options *options,
                                   plumb_verify_report *report, plumb_error *err)
{
    if (!options->require_closed || plumb__verify_state(v) == PLUMB__SEAL_CLOSED) return PLUMB_OK;
    snprintf(report->still_trustworthy, sizeof report->still_trustworthy,
             "what is there holds; the run may go on");
    return plumb__fail(err, PLUMB_ERR_STATE, "the run is open: %llu of %zu leaves are signed",
                       (unsigned long long)v->head.size, v->n_leaves);
}

/* No such step, or no records to recompute from: that says nothing against the run. */
static bool rules_unread(size_t stage, plumb_status status)
{
    return stages[stage].run == plumb__verify_rules && status == PLUMB_ERR_NOT_FOUND;
}

static plumb_status verify_once(plumb__verify *v, const plumb_verify_options *options,
                                plumb_verify_report *report, plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < N_STAGES && status == PLUMB_OK; i++) {
        status = stages[i].run(v, err);
        if (status != PLUMB_OK)
            snprintf(report->still_trustworthy, sizeof report->still_trustworthy, "%s",
                     rules_unread(i, status) ? NOT_RECOMPUTED : stages[i].trustworthy);
    }
    if (status == PLUMB_OK) status = require_closed(v, options, report, err);
    return status;
}

/* Whether a writer may be at work: the head is another, or a file went while it was looked at. */
static bool has_moved(const plumb__verify *v, plumb_status status)
{
    if (status == PLUMB_OK || status == PLUMB_ERR_STATE || v->record == NULL) return false;
    if (status == PLUMB_ERR_NOT_FOUND && plumb__verify_state(v) != PLUMB__SEAL_CLOSED) return true;
    return plumb__record_moved(v->dir, &v->head_bytes);
}

plumb_status plumb_bundle_verify(const char *dir, const plumb_verify_options *options,
                                 plumb_verify_report *report, plumb_error *err)
{
    plumb_error own = {0};
    plumb_status status = PLUMB_OK;
    if (options->size != sizeof *options || options->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "verify options of size %u and version %u are unknown", options->size,
                           options->version);
    for (int again = 0; again <= PLUMB__RECORD_RETRIES; again++) {
        plumb__verify v = {.dir = dir,
                           .trust = options->trust,
                           .manifest_path = options->manifest_path,
                           .full = options->full && options->step == 0,
                           .step = options->step};
        own = (plumb_error){0};
        *report = (plumb_verify_report){.size = sizeof *report, .version = 1};
        status = verify_once(&v, options, report, &own);
        fill_report(&v, report);
        const bool moved = has_moved(&v, status);
        plumb__verify_free(&v);
        if (!moved) break;
    }
    report->holds = status == PLUMB_OK;
    if (status == PLUMB_OK) return PLUMB_OK;
    snprintf(report->first_problem, sizeof report->first_problem, "%s", own.message);
    if (err != NULL) *err = own;
    return status;
}
