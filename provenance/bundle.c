/* The bundle as the training thread sees it (bundle.h): encodes leaves into the recorder's ring and
 * waits where a caller asks to. The directory is bundle_writer's, the thread recorder's. */
#include "provenance/bundle.h"

#include "base/alloc.h"
#include "base/json.h"
#include "provenance/recorder.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_COMMIT_MS 20u
#define DEFAULT_COMMIT_BYTES ((uint64_t)4 << 20)
#define DEFAULT_MAX_BLOCK_MS 10000u
#define DEFAULT_RING_BYTES ((uint64_t)64 << 20)
#define MAX_RING_BYTES ((uint64_t)4 << 30)
#define MAX_CHECKPOINT_NAME_BYTES 120u

struct plumb__bundle {
    plumb__writer writer; /* the recorder's while it runs */
    plumb__recorder *recorder;
    plumb__bytes text; /* reused for canonical JSON */
    bool closed;
};

/* ---- creation, reopening, end --------------------------------------------------------------- */

static plumb_status complete_options(const plumb__bundle_options *given, plumb__bundle_options *out,
                                     plumb_error *err)
{
    *out = *given;
    if (out->commit_ms == 0) out->commit_ms = DEFAULT_COMMIT_MS;
    if (out->commit_bytes == 0) out->commit_bytes = DEFAULT_COMMIT_BYTES;
    if (out->max_block_ms == 0) out->max_block_ms = DEFAULT_MAX_BLOCK_MS;
    if (out->ring_bytes == 0) out->ring_bytes = DEFAULT_RING_BYTES;
    if (out->ring_bytes > MAX_RING_BYTES)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "ring_bytes: %" PRIu64 ", at most %" PRIu64,
                           out->ring_bytes, MAX_RING_BYTES);
    if (out->commit_bytes > out->ring_bytes / 2) out->commit_bytes = out->ring_bytes / 2;
    return PLUMB_OK;
}

static plumb_status begin(const plumb__bundle_start *start, plumb__bundle_options *options,
                          plumb__bundle **bundle, plumb_error *err)
{
    *bundle = NULL;
    plumb__bundle *b;
    plumb_status status = plumb__alloc(&b, 1, sizeof *b, "a run bundle", err);
    if (status != PLUMB_OK) {
        plumb_key_free(start->run_key); /* ours from here on, also on failure */
        return status;
    }
    status = plumb__writer_init(&b->writer, start, err);
    if (status == PLUMB_OK) status = complete_options(&start->options, options, err);
    if (status != PLUMB_OK) {
        plumb__bundle_free(b);
        return status;
    }
    *bundle = b;
    return PLUMB_OK;
}

plumb_status plumb__bundle_create(const plumb__bundle_start *start, plumb__bundle **bundle,
                                  plumb_error *err)
{
    plumb__bundle_options options;
    plumb__bundle *b;
    PLUMB_TRY(begin(start, &options, &b, err));
    plumb_status status = plumb__writer_create(&b->writer, start, err);
    const bool created = status == PLUMB_OK;
    if (created) status = plumb__recorder_start(&b->writer, &options, 0, &b->recorder, err);
    if (status != PLUMB_OK) {
        plumb__bundle_free(b);
        b = NULL;
        /* A bundle that never had a recorder holds nothing and would only be in the way. */
        if (created) PLUMB_KEEP(status, plumb__dir_remove(start->dir, NULL));
    }
    *bundle = b;
    return status;
}

plumb_status plumb__bundle_reopen(const plumb__bundle_start *start, plumb__bundle **bundle,
                                  plumb__bundle_state *state, plumb_error *err)
{
    plumb__bundle_options options;
    plumb__bundle *b;
    memset(state, 0, sizeof *state);
    *bundle = NULL;
    PLUMB_TRY(begin(start, &options, &b, err));
    plumb_status status = plumb__writer_reopen(&b->writer, start, state, err);
    if (status == PLUMB_OK)
        status = plumb__recorder_start(&b->writer, &options, state->steps_acknowledged,
                                       &b->recorder, err);
    if (status != PLUMB_OK) {
        plumb__bundle_free(b);
        b = NULL;
    }
    *bundle = b;
    return status;
}

void plumb__bundle_free(plumb__bundle *b)
{
    if (!b) return;
    if (b->recorder) (void)plumb__recorder_stop(b->recorder, NULL);
    plumb__recorder_free(b->recorder);
    plumb__writer_free(&b->writer);
    plumb__bytes_free(&b->text);
    plumb__free(b);
}

/* ---- leaves ------------------------------------------------------------------------------- */

static plumb_status refuse_closed(const plumb__bundle *b, plumb_error *err)
{
    if (!b->closed) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_STATE, "%s: the run is closed", b->writer.dir);
}

static plumb_status check_step(const plumb__bundle *b, const plumb__step *step, plumb_error *err)
{
    if (step->n_uses != b->writer.n_layers || step->n_units > PLUMB__MAX_UNITS_PER_STEP ||
        step->n_scalars > PLUMB__MAX_SCALARS)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "step %" PRIu64
                           ": %u uses, %u units, %u scalars; the run has %zu uses, and "
                           "at most %u units and %u scalars are recorded",
                           step->step, step->n_uses, step->n_units, step->n_scalars,
                           b->writer.n_layers, PLUMB__MAX_UNITS_PER_STEP, PLUMB__MAX_SCALARS);
    if (!plumb__step_declares(step->units_declared, step->n_units))
        return plumb__fail(
            err, PLUMB_ERR_ARGUMENT,
            "step %" PRIu64 ": declares %u units and has %u; a step declares those that "
            "it has to %u",
            step->step, step->units_declared, step->n_units, PLUMB__MAX_UNITS_PER_STEP);
    if (plumb__step_bytes(step) > PLUMB__MAX_PAYLOAD_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "step %" PRIu64 ": its record has %" PRIu64
                           " bytes, at most %u fit in a leaf",
                           step->step, plumb__step_bytes(step), PLUMB__MAX_PAYLOAD_BYTES);
    return PLUMB_OK;
}

plumb_status plumb__bundle_step(plumb__bundle *b, const plumb__step *step, plumb_error *err)
{
    uint8_t *payload;
    PLUMB_TRY(refuse_closed(b, err));
    PLUMB_TRY(check_step(b, step, err));
    const size_t n = (size_t)plumb__step_bytes(step);
    PLUMB_TRY(plumb__recorder_reserve(b->recorder, n, &payload, err));
    plumb__bytes room = {.data = payload, .capacity = n + 1}; /* full in the end: never grows */
    plumb__step_encode(step, &room);
    return plumb__recorder_submit(b->recorder, PLUMB__LEAF_STEP, step->step, err);
}

static plumb_status submit_text(plumb__bundle *b, plumb__leaf_kind kind, const void *json, size_t n,
                                uint64_t acknowledge, plumb_error *err)
{
    uint8_t *payload;
    PLUMB_TRY(refuse_closed(b, err));
    PLUMB_TRY(plumb__recorder_reserve(b->recorder, n, &payload, err));
    memcpy(payload, json, n);
    return plumb__recorder_submit(b->recorder, kind, acknowledge, err);
}

plumb_status plumb__bundle_leaf(plumb__bundle *b, plumb__leaf_kind kind, const void *json, size_t n,
                                uint64_t *leaf, plumb_error *err)
{
    if (kind != PLUMB__LEAF_EVENT && kind != PLUMB__LEAF_DECISION)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "leaf kind %d: only events and decisions are recorded this way",
                           (int)kind);
    if (n == 0) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "an event or decision cannot be empty");
    PLUMB_TRY(submit_text(b, kind, json, n, 0, err));
    return leaf ? plumb__recorder_flush(b->recorder, leaf, err) : PLUMB_OK;
}

/* Submits a JSON object as the canonical payload; consumes it. */
static plumb_status submit_json(plumb__bundle *b, plumb__leaf_kind kind, json_t *json,
                                uint64_t acknowledge, plumb_error *err)
{
    if (!json) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a leaf");
    plumb__bytes_clear(&b->text);
    plumb_status status = plumb__json_dump(json, &b->text, err);
    json_decref(json);
    if (status == PLUMB_OK)
        status = submit_text(b, kind, b->text.data, b->text.size, acknowledge, err);
    return status;
}

uint64_t plumb__bundle_acknowledged(const plumb__bundle *b)
{
    return plumb__recorder_acknowledged(b->recorder);
}

plumb_status plumb__bundle_flush(plumb__bundle *b, plumb_error *err)
{
    PLUMB_TRY(refuse_closed(b, err));
    return plumb__recorder_flush(b->recorder, NULL, err);
}

plumb_status plumb__bundle_rewind(plumb__bundle *b, uint64_t from, uint64_t to,
                                  const plumb__hash *checkpoint, uint32_t attempt, plumb_error *err)
{
    PLUMB_TRY(refuse_closed(b, err));
    if (from < to)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a rewind goes back: from step %" PRIu64 " to step %" PRIu64, from, to);
    if (from == to) return PLUMB_OK;
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(checkpoint, hex);
    json_t *json =
        json_pack("{s:s,s:I,s:I,s:I,s:s}", "kind", "rewind", "from", (json_int_t)from, "to",
                  (json_int_t)to, "attempt", (json_int_t)attempt, "checkpoint", hex);
    return submit_json(b, PLUMB__LEAF_REWIND, json, to, err);
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static plumb_status check_name(const char *name, plumb_error *err)
{
    const size_t n = strlen(name);
    if (n > 0 && n < MAX_CHECKPOINT_NAME_BYTES && name[0] != '.' && !strchr(name, '/') &&
        (n < 4 || strcmp(name + n - 4, ".tmp") != 0))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_ARGUMENT, "\"%.120s\" is no name for a checkpoint", name);
}

static plumb_status name_checkpoint(const plumb__bundle *b, const char *name, plumb_error *err)
{
    char dir[PLUMB__PATH_BYTES], from[PLUMB__PATH_BYTES], to[PLUMB__PATH_BYTES];
    char temporary[MAX_CHECKPOINT_NAME_BYTES + 8];
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", name);
    PLUMB_TRY(plumb__path_join(dir, b->writer.dir, "checkpoints", err));
    PLUMB_TRY(plumb__path_join(from, dir, temporary, err));
    PLUMB_TRY(plumb__path_join(to, dir, name, err));
    PLUMB_TRY(plumb__file_rename(from, to, err));
    return plumb__dir_sync(dir, err);
}

plumb_status plumb__bundle_checkpoint(plumb__bundle *b, const char *name, uint32_t attempt,
                                      uint64_t step, uint64_t size_bytes,
                                      const plumb__hash *blake2b, plumb_error *err)
{
    plumb_error local;
    if (!err) err = &local;
    PLUMB_TRY(refuse_closed(b, err));
    PLUMB_TRY(check_name(name, err));
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(blake2b, hex);
    json_t *json = json_pack("{s:s,s:I,s:I,s:s,s:I,s:s}", "kind", "checkpoint", "attempt",
                             (json_int_t)attempt, "step", (json_int_t)step, "file", name, "bytes",
                             (json_int_t)size_bytes, "blake2b", hex);
    PLUMB_TRY(submit_json(b, PLUMB__LEAF_CHECKPOINT, json, 0, err));
    PLUMB_TRY(plumb__recorder_flush(b->recorder, NULL, err));
    const plumb_status status = name_checkpoint(b, name, err); /* J11 */
    if (status != PLUMB_OK) return plumb__recorder_fail(b->recorder, err);
    return plumb__recorder_seal(b->recorder, false, err);
}

/* ---- sealing and closing ------------------------------------------------------------------ */

plumb_status plumb__bundle_seal(plumb__bundle *b, plumb_error *err)
{
    PLUMB_TRY(refuse_closed(b, err));
    return plumb__recorder_seal(b->recorder, true, err);
}

plumb_status plumb__bundle_close(plumb__bundle *b, plumb_error *err)
{
    plumb_error local;
    if (!err) err = &local;
    PLUMB_TRY(refuse_closed(b, err));
    PLUMB_TRY(plumb__recorder_stop(b->recorder, err)); /* the writer is ours from here on */
    const plumb_status status = plumb__writer_close(&b->writer, err);
    if (status != PLUMB_OK) return plumb__recorder_fail(b->recorder, err);
    b->closed = true;
    plumb_key_free(b->writer.run_key);
    b->writer.run_key = NULL;
    return PLUMB_OK;
}
