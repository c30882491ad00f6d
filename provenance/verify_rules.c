/* Stage 6 of verification: which steps are judged by which rules. Without `full`, 32 steps spread
 * evenly over the run, each by itself; with it, all of them and what reaches over steps. Superseded
 * steps are judged by themselves only: ledger and scales went back to the checkpoint when they were
 * undone. */
#include "provenance/verify_rules.h"

#include "base/alloc.h"
#include "provenance/h5_brief.h"

#include <string.h>

#define SAMPLES 32u

typedef struct judging {
    plumb__verify *v;
    plumb__grants grants;
    plumb__replay replay;
    uint64_t seen; /* steps */
} judging;

static bool is_sampled(judging *j, uint64_t step)
{
    const uint64_t i = j->seen++, n = j->v->steps;
    if (j->v->step != 0) return step == j->v->step;
    if (j->v->full || n <= SAMPLES) return true;
    return i == 0 || i * SAMPLES / n != (i - 1) * SAMPLES / n;
}

static bool want(uint64_t index, const plumb__h5_step_row *row, void *ctx)
{
    (void)index;
    return is_sampled(ctx, row->step);
}

static plumb_status judge(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    judging *j = ctx;
    if (leaf->step == NULL || leaf->repeated) return PLUMB_OK;
    if (leaf->in_journal && !is_sampled(j, leaf->step->step)) return PLUMB_OK;
    j->v->edges_checked += (uint64_t)leaf->step->n_units * leaf->step->n_uses;
    PLUMB_TRY(plumb__rules_step(&j->grants, leaf->step, err));
    if (!j->v->full || leaf->superseded) return PLUMB_OK;
    return plumb__replay_step(&j->replay, leaf->step, err);
}

/* ---- /examples and /statements ------------------------------------------------------------ */

static const char *field_of(const plumb_record *record, size_t column)
{
    const char *const fields[] = {record->id,      record->label,         record->batch,
                                  record->cohort,  record->rubric,        record->domain,
                                  record->source,  record->template_name, record->parent,
                                  record->profile, record->component};
    return fields[column];
}

static const char *const column_names[] = {"id",     "label",   "batch",    "cohort",
                                           "rubric", "domain",  "source",   "template",
                                           "parent", "profile", "component"};
#define N_COLUMNS (sizeof column_names / sizeof *column_names)

static plumb_status check_column(const plumb__verify *v, plumb__h5_reader *reader, size_t column,
                                 plumb_error *err)
{
    const char *const *values = NULL;
    PLUMB_TRY(plumb__h5_example_strings(reader, column_names[column], &values, err));
    for (uint64_t i = 0; i < v->run.records; i++) {
        plumb_record record;
        plumb_record_default(&record);
        PLUMB_TRY(plumb_manifest_record(v->manifest, (uint32_t)i, &record, err));
        if (!plumb__h5_brief_is(values[i], field_of(&record, column)))
            return plumb__fail(
                err, PLUMB_ERR_MISMATCH,
                "provenance.h5: example %.200s has %s \"%.100s\", but the manifest says "
                "\"%.100s\"",
                record.id, column_names[column], values[i],
                field_of(&record, column) != NULL ? field_of(&record, column) : "");
    }
    return PLUMB_OK;
}

static plumb_status check_annotators(const plumb__verify *v, plumb__h5_reader *reader,
                                     plumb_error *err)
{
    const uint64_t *offsets = NULL;
    const uint32_t *codes = NULL;
    const char *const *names = NULL;
    size_t n_names = 0;
    PLUMB_TRY(plumb__h5_example_annotators(reader, &offsets, &codes, &names, &n_names, err));
    for (uint64_t i = 0; i < v->run.records; i++) {
        plumb_record record;
        plumb_record_default(&record);
        PLUMB_TRY(plumb_manifest_record(v->manifest, (uint32_t)i, &record, err));
        bool same = offsets[i + 1] - offsets[i] == record.n_annotators;
        for (uint32_t k = 0; same && k < record.n_annotators; k++) {
            const uint32_t code = codes[offsets[i] + k];
            same = code < n_names && plumb__h5_brief_is(names[code], record.annotators[k]);
        }
        if (!same)
            return plumb__fail(
                err, PLUMB_ERR_MISMATCH,
                "provenance.h5: example %.200s has other annotators than in the manifest",
                record.id);
    }
    return PLUMB_OK;
}

static bool same_segment(const plumb__verify *v, const plumb__h5_segments *have, size_t row,
                         const char *const *names, size_t n_names, const plumb_segment *s)
{
    const uint64_t from = have->annotator_offsets[row], n = have->annotator_offsets[row + 1] - from;
    bool same = have->kind[row] == s->kind && have->from[row] == s->from &&
                have->to[row] == s->to && have->weight[row] == s->weight &&
                plumb__h5_brief_is(have->profile[row],
                                   plumb_manifest_profile_text(v->manifest, s->profile)) &&
                plumb__h5_brief_is(have->component[row], s->component) && n == s->n_annotators;
    for (uint64_t i = 0; same && i < n; i++) {
        const uint32_t code = have->annotators[from + i];
        same = code < n_names && plumb__h5_brief_is(names[code], s->annotators[i]);
    }
    return same;
}

static plumb_status check_segments(const plumb__verify *v, plumb__h5_reader *reader,
                                   plumb_error *err)
{
    const plumb__h5_segments *have = NULL;
    const uint64_t *offsets = NULL;
    const uint32_t *codes = NULL;
    const char *const *names = NULL;
    size_t n_names = 0;
    PLUMB_TRY(plumb__h5_example_segments(reader, &have, err));
    PLUMB_TRY(plumb__h5_example_annotators(reader, &offsets, &codes, &names, &n_names, err));
    for (uint64_t i = 0; i < v->run.records; i++) {
        uint32_t n = 0;
        const plumb_segment *segments = plumb_manifest_segments(v->manifest, (uint32_t)i, &n);
        bool same = have->offsets[i + 1] - have->offsets[i] == n;
        for (uint32_t s = 0; same && s < n; s++)
            same =
                same_segment(v, have, (size_t)have->offsets[i] + s, names, n_names, &segments[s]);
        if (same) continue;
        plumb_record record;
        plumb_record_default(&record);
        PLUMB_TRY(plumb_manifest_record(v->manifest, (uint32_t)i, &record, err));
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "provenance.h5: example %.200s has other segments than in the manifest",
                           record.id);
    }
    return PLUMB_OK;
}

/* `certificates` is stored as it was at the merge; nothing can have been added to a closed run
 * since. */
static plumb_status check_statement(plumb__h5_reader *reader, const char *name,
                                    const plumb__hash *expected, plumb_error *err)
{
    const void *data = NULL;
    size_t n = 0;
    PLUMB_TRY(plumb__h5_statement(reader, name, &data, &n, err));
    const plumb__hash found = plumb__blake2b(data, n);
    if (plumb__hash_equal(&found, expected)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "provenance.h5: statement %s is not the one in the bundle", name);
}

plumb_status plumb__rules_examples(const plumb__verify *v, plumb_error *err)
{
    plumb__h5_reader *reader = plumb__record_graph(v->record);
    if (plumb__h5_example_count(reader) != v->run.records)
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "provenance.h5: has %llu examples, but the manifest has %llu records",
                           (unsigned long long)plumb__h5_example_count(reader),
                           (unsigned long long)v->run.records);
    for (size_t column = 0; column < N_COLUMNS; column++)
        PLUMB_TRY(check_column(v, reader, column, err));
    PLUMB_TRY(check_annotators(v, reader, err));
    PLUMB_TRY(check_segments(v, reader, err));
    const plumb__hash certificates =
        plumb__blake2b(v->certificate_bytes.data, v->certificate_bytes.size);
    PLUMB_TRY(check_statement(reader, "certificates", &certificates, err));
    return check_statement(reader, "manifest.plumb.json", &v->run.manifest_envelope, err);
}

/* ---- the stage ---------------------------------------------------------------------------- */

plumb_status plumb__verify_rules(plumb__verify *v, plumb_error *err)
{
    judging j = {.v = v};
    plumb_status status = PLUMB_OK;
    v->edges_checked = 0;
    if (v->manifest == NULL && v->full)
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                           "evidence/records.jsonl: is not in the bundle; give the signed manifest "
                           "with --manifest to recompute masks and limits");
    if (v->manifest == NULL) {
        plumb__bytes_appendf(&v->notes, "evidence/: has no records; masks and limits were not "
                                        "recomputed (give --manifest)\n");
        return PLUMB_OK;
    }
    PLUMB_TRY_CLEAN(plumb__grants_open(v, &j.grants, err));
    if (v->full) PLUMB_TRY_CLEAN(plumb__replay_open(&j.grants, &j.replay, err));
    PLUMB_TRY_CLEAN(plumb__record_walk(v->record, want, judge, &j, err));
    if (v->step != 0 && v->edges_checked == 0)
        status = plumb__fail(err, PLUMB_ERR_NOT_FOUND, "the run has no step %llu",
                             (unsigned long long)v->step);
    if (v->full && plumb__record_graph(v->record) != NULL) {
        PLUMB_TRY_CLEAN(plumb__rules_examples(v, err));
        PLUMB_TRY_CLEAN(plumb__h5_check_index(plumb__record_graph(v->record), err));
    }
cleanup:
    plumb__replay_free(&j.replay);
    plumb__grants_free(&j.grants);
    return status;
}
