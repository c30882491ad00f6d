/* Admission: what happens to each unit of a micro-batch before its loss is taken (docs/runtime.md
 * has the table). First everything that can fail is checked against the caller's arguments alone;
 * then the state changes, and that part cannot fail. */
#include "runtime/run.h"

#include "base/half.h"
#include "base/hash.h"

#include <math.h>
#include <string.h>

/* ---- checks ---- */

static plumb_status check_counts(const plumb_run *run, size_t n, uint64_t total_rows,
                                 plumb_error *err)
{
    const unsigned long long step = run->step.step;
    const uint32_t micro = run->micro_batches;
    if (micro == run->step.micro_batches)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "step %llu declared %u micro-batches, this would be one more", step,
                           micro);
    if (n > run->max_units)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "micro-batch %u of step %llu has %zu units, the run was created for %u "
                           "(max_units)",
                           micro, step, n, run->max_units);
    if (total_rows > run->max_rows)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "micro-batch %u of step %llu has %llu rows, the run was created for "
                           "%llu (max_rows)",
                           micro, step, (unsigned long long)total_rows,
                           (unsigned long long)run->max_rows);
    if (n > run->step.units - run->units_so_far)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "step %llu declared %u units, micro-batch %u would make it %zu", step,
                           run->step.units, micro, n + run->units_so_far);
    return PLUMB_OK;
}

static plumb_status check_unit(const plumb_unit *unit, size_t i, uint64_t total_rows,
                               plumb_error *err)
{
    if (unit->rows == 0) return PLUMB_OK;
    if (!unit->id) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "unit %zu has no id", i);
    if (unit->rows > total_rows || unit->first_row > total_rows - unit->rows)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "unit %zu (id \"%.100s\") has rows %llu to %llu, the micro-batch has "
                           "%llu",
                           i, unit->id, (unsigned long long)unit->first_row,
                           (unsigned long long)(unit->first_row + unit->rows - 1),
                           (unsigned long long)total_rows);
    if (unit->segment < PLUMB_REST)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "unit %zu (id \"%.100s\") has segment %d", i,
                           unit->id, unit->segment);
    if (!unit->content && unit->content_bytes)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "unit %zu (id \"%.100s\") has content_bytes but no content", i,
                           unit->id);
    return PLUMB_OK;
}

static plumb_status check_overlap(plumb_run *run, const plumb_unit *units, size_t n,
                                  uint64_t total_rows, plumb_error *err)
{
    bool rising = true;
    uint64_t end = 0;
    for (size_t i = 0; i < n && rising; i++) {
        if (units[i].rows == 0) continue;
        rising = units[i].first_row >= end;
        end = units[i].first_row + units[i].rows;
    }
    if (rising) return PLUMB_OK;
    uint8_t *claimed = run->batch.claimed;
    memset(claimed, 0, total_rows);
    for (size_t i = 0; i < n; i++)
        for (uint64_t r = units[i].first_row; r < units[i].first_row + units[i].rows; r++) {
            if (claimed[r])
                return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                                   "unit %zu (id \"%.100s\") and another unit both hold row %llu",
                                   i, units[i].id, (unsigned long long)r);
            claimed[r] = 1;
        }
    return PLUMB_OK;
}

static plumb_status check_batch(plumb_run *run, const plumb_unit *units, size_t n,
                                uint64_t total_rows, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_batch_begin", PLUMB__STEP | PLUMB__BATCH, err));
    if (run->phase == PLUMB__BATCH && !run->batch.has_loss)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "plumb_batch_begin: micro-batch %u of step %llu has no loss yet: call "
                           "plumb_loss_xent, or plumb_loss_weights and plumb_loss_report",
                           run->micro_batches - 1, (unsigned long long)run->step.step);
    PLUMB_TRY(check_counts(run, n, total_rows, err));
    if (n > 0 && !units) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "plumb_batch_begin: no units");
    for (size_t i = 0; i < n; i++)
        PLUMB_TRY(check_unit(&units[i], i, total_rows, err));
    PLUMB_TRY(check_overlap(run, units, n, total_rows, err));
    if (run->policy.unknown != PLUMB__UNKNOWN_HALT) return PLUMB_OK;
    for (size_t i = 0; i < n; i++)
        if (units[i].rows && plumb_manifest_find(run->manifest, units[i].id) == PLUMB_NO_RECORD)
            return plumb__fail(err, PLUMB_ERR_POLICY,
                               "unit %zu: id \"%.200s\" is not in manifest %s/%s, and the policy "
                               "says \"unknown\": \"halt\"",
                               i, units[i].id, run->info.vendor, run->info.dataset);
    return PLUMB_OK;
}

/* ---- the decision ---- */

static void decide(plumb__columns *c, uint32_t row, plumb_decision decision, plumb_reason reason)
{
    c->decision[row] = (uint8_t)decision;
    c->reason[row] = (uint8_t)reason;
    if (decision == PLUMB_REJECTED) c->weight[row] = 0.0f;
}

/* `before` is the unit in the row before, of the same call: parts of one record share its content,
 * which is hashed once. */
static bool content_matches(const plumb__columns *c, uint32_t row, const plumb_unit *unit,
                            const plumb_unit *before, const plumb_record *record)
{
    if (before && c->checked[row - 1] && c->example[row - 1] == c->example[row] &&
        before->content == unit->content && before->content_bytes == unit->content_bytes)
        return c->reason[row - 1] != PLUMB_REASON_CONTENT;
    if (unit->content_bytes != record->content_bytes) return false;
    const plumb__hash have = plumb__sha256(unit->content, unit->content_bytes);
    return memcmp(have.bytes, record->sha256, sizeof have.bytes) == 0;
}

static void admit_unknown(plumb_run *run, uint32_t row)
{
    plumb__columns *c = &run->columns;
    uint16_t *mask = c->mask + (size_t)row * run->n_uses;
    switch (run->policy.unknown) {
    case PLUMB__UNKNOWN_PASS: {
        const uint16_t open = plumb__mask_store(1.0, run->policy.max_mask);
        for (size_t k = 0; k < run->n_uses; k++)
            mask[k] = open;
        c->unit_nats[row] = run->policy.unit_step_nats;
        decide(c, row, PLUMB_ADMITTED, PLUMB_REASON_UNKNOWN_PASSED);
        return;
    }
    case PLUMB__UNKNOWN_ZERO: decide(c, row, PLUMB_MODULATED, PLUMB_REASON_UNKNOWN); return;
    case PLUMB__UNKNOWN_REJECT:
    case PLUMB__UNKNOWN_HALT: decide(c, row, PLUMB_REJECTED, PLUMB_REASON_UNKNOWN); return;
    }
}

/* Whether a known unit's masks leave it anything to do: no depth, or ledger used up everywhere. */
static plumb_reason reach(const plumb_run *run, uint32_t row)
{
    const plumb__columns *c = &run->columns;
    const uint16_t *mask = c->mask + (size_t)row * run->n_uses;
    bool any = false;
    for (uint32_t k = 0; k < run->n_uses; k++) {
        if (!mask[k]) continue;
        any = true;
        if (plumb__run_left(run, c->example[row], c->run_nats[row], k) > 0.0)
            return PLUMB_REASON_NONE;
    }
    return any ? PLUMB_REASON_EXHAUSTED : PLUMB_REASON_NO_DEPTH;
}

static double or_default(double stated, double by_policy)
{
    return isnan(stated) ? by_policy : stated;
}

/* The profile that governs a unit and the weight of its loss: its segment's own beside the
 * record's. False: no such segment. A record that is divided has terms that PLUMB_WHOLE would pass
 * over, one that is not has no rest. */
static bool find_terms(const plumb_run *run, uint32_t number, int32_t segment,
                       const plumb_record *record, uint32_t *profile, double *weight)
{
    *profile = record->profile_number;
    *weight = record->weight;
    uint32_t n = 0;
    const plumb_segment *segments = plumb_manifest_segments(run->manifest, number, &n);
    if (segment < 0) return (segment == PLUMB_REST) == (n > 0);
    if ((uint32_t)segment >= n) return false;
    *profile = segments[segment].profile;
    *weight *= segments[segment].weight;
    return true;
}

static void admit_known(plumb_run *run, uint32_t row, const plumb_unit *unit,
                        const plumb_unit *before, const plumb_record *record)
{
    plumb__columns *c = &run->columns;
    uint32_t profile = 0;
    double weight = 1.0;
    c->unit_nats[row] = or_default(record->step_budget_nats, run->policy.unit_step_nats);
    c->run_nats[row] = or_default(record->run_budget_nats, run->policy.run_nats);
    if (record->withdrawn) {
        decide(c, row, PLUMB_REJECTED, PLUMB_REASON_WITHDRAWN);
        return;
    }
    c->checked[row] = unit->content && record->has_digest;
    if (c->checked[row] && !content_matches(c, row, unit, before, record)) {
        decide(c, row, PLUMB_REJECTED, PLUMB_REASON_CONTENT);
        return;
    }
    if (!find_terms(run, (uint32_t)c->example[row], unit->segment, record, &profile, &weight)) {
        decide(c, row, PLUMB_REJECTED, PLUMB_REASON_SEGMENT);
        return;
    }
    c->weight[row] = (float)weight;
    if (!(c->weight[row] > 0.0f)) {
        decide(c, row, PLUMB_REJECTED, PLUMB_REASON_ZERO_WEIGHT);
        return;
    }
    c->profile[row] = profile;
    run->batch.by_entropy |= plumb__masks_by_entropy(&run->masks, profile);
    plumb__masks_of(&run->masks, profile, PLUMB_BAND_NONE, c->mask + (size_t)row * run->n_uses);
    const plumb_reason reason = reach(run, row);
    if (reason != PLUMB_REASON_NONE)
        decide(c, row, PLUMB_MODULATED, reason);
    else if (weight != 1.0)
        decide(c, row, PLUMB_MODULATED, PLUMB_REASON_WEIGHT);
}

/* The group of a row: units of one example share one over the whole step; a unit that is in no
 * manifest stands alone. */
static uint32_t group_of(plumb_run *run, int32_t example)
{
    plumb__columns *c = &run->columns;
    uint32_t group = run->n_groups;
    if (example >= 0) {
        uint32_t slot = ((uint32_t)example * 0x9e3779b1u) & (c->table_slots - 1);
        while (c->group_table[slot] >= 0 && c->group_table[slot] != example)
            slot = (slot + 1) & (c->table_slots - 1);
        if (c->group_table[slot] == example) return c->group_of[slot];
        c->group_table[slot] = example;
        c->group_of[slot] = group;
    }
    for (size_t k = 0; k < run->n_uses; k++)
        c->group_used[k * c->capacity + group] = 0.0;
    c->group_seen[group] = 0;
    run->n_groups++;
    return group;
}

static void admit(plumb_run *run, uint32_t row, const plumb_unit *unit, const plumb_unit *before)
{
    plumb__columns *c = &run->columns;
    const size_t edge = (size_t)row * run->n_uses;
    memset(c->norm + edge, 0, run->n_uses * sizeof *c->norm);
    memset(c->mask + edge, 0, run->n_uses * sizeof *c->mask);
    memset(c->norm_kind + edge, PLUMB__NORM_NONE, run->n_uses);
    for (size_t k = 0; k < run->n_uses; k++)
        c->clip[edge + k] = PLUMB__F16_ONE;
    c->segment[row] = unit->segment;
    c->micro_batch[row] = (uint16_t)run->micro_batches;
    c->rows[row] = unit->rows > UINT16_MAX ? UINT16_MAX : (uint16_t)unit->rows;
    c->weight[row] = 1.0f;
    c->loss[row] = c->entropy[row] = 0.0f;
    c->checked[row] = c->band[row] = 0;
    c->profile[row] = PLUMB__NO_PROFILE;
    c->unit_nats[row] = c->run_nats[row] = INFINITY;
    decide(c, row, PLUMB_ADMITTED, PLUMB_REASON_NONE);
    plumb_record record;
    plumb_record_default(&record);
    const uint32_t number = plumb_manifest_find(run->manifest, unit->id);
    c->example[row] = number == PLUMB_NO_RECORD ? -1 : (int32_t)number;
    if (number == PLUMB_NO_RECORD ||
        plumb_manifest_record(run->manifest, number, &record, NULL) != PLUMB_OK)
        admit_unknown(run, row);
    else
        admit_known(run, row, unit, before, &record);
    c->group[row] = group_of(run, c->example[row]);
}

/* The micro-batch's own numbering of the groups, in slot order. */
static void number_groups(plumb_run *run)
{
    plumb__batch *b = &run->batch;
    plumb__columns *c = &run->columns;
    b->n_groups = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->row[i] == PLUMB__NO_ROW) continue;
        const uint32_t group = c->group[b->row[i]];
        if (c->group_seen[group] != run->micro_batches + 1) {
            c->group_seen[group] = run->micro_batches + 1;
            c->group_local[group] = b->n_groups;
            b->group_row[b->n_groups++] = b->row[i];
        }
        b->group[i] = c->group_local[group];
    }
}

plumb_status plumb_batch_begin(plumb_run *run, const plumb_unit *units, size_t n,
                               uint64_t total_rows, plumb_error *err)
{
    PLUMB_TRY(check_batch(run, units, n, total_rows, err));
    plumb__batch *b = &run->batch;
    const plumb_unit *before = NULL;
    b->n = n;
    b->total_rows = total_rows;
    b->has_loss = b->by_entropy = false;
    memset(b->visited, 0, run->n_uses);
    for (size_t i = 0; i < n; i++) {
        b->slots[i] = (plumb__slot){.first_row = units[i].first_row, .rows = units[i].rows};
        b->row[i] = PLUMB__NO_ROW;
        b->decision[i] = PLUMB_ADMITTED;
        b->reason[i] = PLUMB_REASON_NONE;
        if (units[i].rows == 0) continue;
        b->row[i] = run->rows_so_far++;
        admit(run, b->row[i], &units[i], before);
        before = &units[i];
        b->decision[i] = run->columns.decision[b->row[i]];
        b->reason[i] = run->columns.reason[b->row[i]];
        b->hardest[i] = run->columns.weight[b->row[i]] > 64.0f ? 0.0f : 1.0f;
    }
    number_groups(run);
    run->units_so_far += (uint32_t)n;
    run->micro_batches++;
    run->phase = PLUMB__BATCH;
    return PLUMB_OK;
}

const uint8_t *plumb_batch_decisions(const plumb_run *run)
{
    return run->batch.decision;
}

const uint8_t *plumb_batch_reasons(const plumb_run *run)
{
    return run->batch.reason;
}
