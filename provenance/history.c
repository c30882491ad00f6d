/* The line of history (history.h; docs/formats/bundle.md section 2). */
#include "provenance/history.h"

#include "base/alloc.h"
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

plumb_status plumb__history_step(plumb__history *h, uint32_t attempt, uint64_t step,
                                 plumb_error *err)
{
    if (plumb__history_superseded(h, attempt, step))
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "step %" PRIu64
                           " of attempt %u was recorded after the rewind that undid it",
                           step, attempt);
    if (attempt > h->attempt) h->attempt = attempt;
    h->last_step = step;
    return PLUMB_OK;
}

bool plumb__history_superseded(const plumb__history *h, uint32_t attempt, uint64_t step)
{
    for (size_t i = 0; i < h->n_rewinds; i++)
        if (attempt < h->rewinds[i].attempt && step > h->rewinds[i].to) return true;
    return false;
}

static plumb_status field(const char *what, const json_t *json, const char *name, uint64_t most,
                          uint64_t *out, plumb_error *err)
{
    int64_t value = 0;
    PLUMB_TRY(plumb__json_integer(what, json, name, true, &value, err));
    if (value < 0 || (uint64_t)value > most)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" is out of range", what, name);
    *out = (uint64_t)value;
    return PLUMB_OK;
}

static plumb_status digest_field(const char *what, const json_t *json, const char *name,
                                 plumb__hash *out, plumb_error *err)
{
    const char *hex = NULL;
    PLUMB_TRY(plumb__json_string(what, json, name, true, &hex, err));
    if (!plumb__hash_parse(hex, out))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"%s\" must be 64 lower-case hex digits", what, name);
    return PLUMB_OK;
}

static plumb_status note_rewind(plumb__history *h, const char *what, const json_t *json,
                                plumb_error *err)
{
    static const char *const fields[] = {"kind", "from", "to", "attempt", "checkpoint", NULL};
    uint64_t from = 0, to = 0, attempt = 0;
    plumb__hash checkpoint;
    PLUMB_TRY(plumb__json_only(what, json, fields, err));
    PLUMB_TRY(field(what, json, "from", INT64_MAX, &from, err));
    PLUMB_TRY(field(what, json, "to", INT64_MAX, &to, err));
    PLUMB_TRY(field(what, json, "attempt", UINT32_MAX, &attempt, err));
    PLUMB_TRY(digest_field(what, json, "checkpoint", &checkpoint, err));
    if (to > from || attempt <= h->attempt)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a rewind must go back and begin a new attempt", what);
    PLUMB_TRY(plumb__grow(&h->rewinds, &h->rewind_capacity, h->n_rewinds + 1, sizeof *h->rewinds,
                          "rewinds", err));
    h->rewinds[h->n_rewinds++] = (plumb__history_rewind){to, (uint32_t)attempt};
    h->attempt = (uint32_t)attempt;
    h->last_step = to;
    while (h->n_checkpoints > 0 && h->checkpoints[h->n_checkpoints - 1].step > to)
        h->n_checkpoints--;
    return PLUMB_OK;
}

static plumb_status note_checkpoint(plumb__history *h, const char *what, const json_t *json,
                                    plumb_error *err)
{
    static const char *const fields[] = {"kind",  "attempt", "step", "file",
                                         "bytes", "blake2b", NULL};
    plumb__history_checkpoint c = {0};
    const char *file = NULL;
    uint64_t attempt = 0;
    PLUMB_TRY(plumb__json_only(what, json, fields, err));
    PLUMB_TRY(field(what, json, "attempt", UINT32_MAX, &attempt, err));
    PLUMB_TRY(field(what, json, "step", INT64_MAX, &c.step, err));
    PLUMB_TRY(field(what, json, "bytes", INT64_MAX, &c.bytes, err));
    PLUMB_TRY(digest_field(what, json, "blake2b", &c.blake2b, err));
    PLUMB_TRY(plumb__json_string(what, json, "file", true, &file, err));
    if (strlen(file) == 0 || strlen(file) >= sizeof c.file || strchr(file, '/') || file[0] == '.')
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%.120s\" is no name for a checkpoint",
                           what, file);
    memcpy(c.file, file, strlen(file) + 1);
    c.attempt = (uint32_t)attempt;
    if (c.attempt > h->attempt) h->attempt = c.attempt;
    PLUMB_TRY(plumb__grow(&h->checkpoints, &h->checkpoint_capacity, h->n_checkpoints + 1,
                          sizeof *h->checkpoints, "checkpoints", err));
    h->checkpoints[h->n_checkpoints++] = c;
    return PLUMB_OK;
}

plumb_status plumb__history_text(plumb__history *h, plumb__leaf_kind kind, uint64_t leaf,
                                 const void *payload, size_t n, plumb_error *err)
{
    if (kind != PLUMB__LEAF_REWIND && kind != PLUMB__LEAF_CHECKPOINT) return PLUMB_OK;
    char what[48];
    json_t *json = NULL;
    (void)snprintf(what, sizeof what, "leaf %" PRIu64, leaf);
    PLUMB_TRY(plumb__json_parse(what, payload, n, &json, err));
    plumb_status status = PLUMB_OK;
    if (!json_is_object(json))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be a JSON object", what);
    else if (kind == PLUMB__LEAF_REWIND)
        status = note_rewind(h, what, json, err);
    else
        status = note_checkpoint(h, what, json, err);
    json_decref(json);
    return status;
}

void plumb__history_free(plumb__history *h)
{
    plumb__free(h->rewinds);
    plumb__free(h->checkpoints);
    *h = (plumb__history){0};
}
