/* Making proofs from NAME.tiles. Invariant: no proof leaves that does not lead from the record's
 * own line to the root that was signed; a tile store that leads elsewhere is made anew, once. */
#include "manifest/plumb_proof.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "manifest/manifest_object.h"
#include "manifest/proofs/proof.h"
#include "manifest/records/json_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TILES_WAIT_MS 120000u /* for another that makes them */

struct plumb_prover {
    plumb_manifest *manifest; /* statement and checkpoint only */
    char records_path[PLUMB__PATH_BYTES], tiles_path[PLUMB__PATH_BYTES];
    plumb__tiles tiles;
    int records; /* descriptor */
    bool without_record, rebuilt;
    char made[PLUMB_ERROR_MESSAGE_BYTES]; /* why the tiles were made */
    plumb__scan scan;
    plumb__arena arena;
};

void plumb_prover_options_default(plumb_prover_options *options)
{
    *options = (plumb_prover_options){.size = sizeof *options, .version = 1};
}

void plumb_prover_free(plumb_prover *p)
{
    if (p == NULL) return;
    plumb__tiles_close(&p->tiles);
    if (p->records >= 0) (void)close(p->records);
    plumb__scan_free(&p->scan);
    plumb__arena_free(&p->arena);
    plumb_manifest_free(p->manifest);
    plumb__free(p);
}

const plumb_manifest *plumb_prover_manifest(const plumb_prover *p)
{
    return p->manifest;
}

uint64_t plumb_prover_records(const plumb_prover *p)
{
    return p->manifest->statement.records.count;
}

const char *plumb_prover_tiles_made(const plumb_prover *p)
{
    return p->made;
}

/* ---- opening ------------------------------------------------------------------------------ */

static plumb_status rebuild(plumb_prover *p, const char *why, plumb_error *err)
{
    const plumb__records_identity *records = &p->manifest->statement.records;
    plumb__lock lock = {.fd = -1};
    char path[PLUMB__PATH_BYTES];
    plumb__tiles_close(&p->tiles);
    p->rebuilt = true;
    snprintf(p->made, sizeof p->made, "%s", why);
    if (snprintf(path, sizeof path, "%s.lock", p->tiles_path) >= (int)sizeof path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%.200s…: the path is too long", p->tiles_path);
    PLUMB_TRY(plumb__lock_take(path, TILES_WAIT_MS, &lock, err));
    plumb_status status = plumb__tiles_build(p->tiles_path, p->records_path, records, err);
    plumb__lock_release(&lock);
    if (status == PLUMB_OK) status = plumb__tiles_open(p->tiles_path, records, &p->tiles, err);
    return status;
}

static plumb_status open_tiles(plumb_prover *p, bool anew, plumb_error *err)
{
    plumb_error why = {0};
    if (anew) return rebuild(p, "asked for", err);
    const plumb_status status =
        plumb__tiles_open(p->tiles_path, &p->manifest->statement.records, &p->tiles, &why);
    if (status == PLUMB_ERR_NO_MEMORY && err != NULL) *err = why;
    if (status == PLUMB_OK || status == PLUMB_ERR_NO_MEMORY) return status;
    return rebuild(p, status == PLUMB_ERR_NOT_FOUND ? "there was none" : why.message, err);
}

static plumb_status open_manifest(const char *path, const plumb_prover_options *o,
                                  plumb_manifest *m, plumb_error *err)
{
    char checkpoint[PLUMB__PATH_BYTES];
    const int64_t at_s = o->at_s != 0 ? o->at_s : plumb__wall_s();
    PLUMB_TRY(plumb__manifest_path(path, ".checkpoint", checkpoint, err));
    if (o->trust != NULL) PLUMB_TRY(plumb__trust_check_expiry(o->trust, at_s, err));
    PLUMB_TRY(plumb__manifest_open_statement(path, o->trust, at_s, m, err));
    plumb__hash_hex(&m->statement.records.root, m->root_hex);
    if (o->trust == NULL) PLUMB_TRY(plumb__manifest_read_checkpoint(path, NULL, m, err));
    if (m->checkpoint.size > 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                       "%s: is missing, and a proof needs one; plumb manifest sign writes it",
                       checkpoint);
}

static plumb_status take_path(const char *envelope, const char *given, const char *suffix,
                              char out[PLUMB__PATH_BYTES], plumb_error *err)
{
    if (given == NULL) return plumb__manifest_path(envelope, suffix, out, err);
    if (strlen(given) >= PLUMB__PATH_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%.200s…: the path is too long", given);
    strcpy(out, given);
    return PLUMB_OK;
}

static plumb_status open_all(const char *path, const plumb_prover_options *o, plumb_prover *p,
                             plumb_error *err)
{
    static const plumb__scan_name names[] = {{"id", false}, {NULL, false}};
    uint64_t size = 0;
    plumb__scan_init(&p->scan, names);
    p->without_record = o->without_record;
    PLUMB_TRY(plumb__alloc(&p->manifest, 1, sizeof *p->manifest, "manifest", err));
    PLUMB_TRY(take_path(path, o->records_path, ".jsonl", p->records_path, err));
    PLUMB_TRY(take_path(path, o->tiles_path, ".tiles", p->tiles_path, err));
    PLUMB_TRY(open_manifest(path, o, p->manifest, err));
    PLUMB_TRY(plumb__file_open(p->records_path, false, &p->records, &size, err));
    if (size != p->manifest->statement.records.bytes)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: has %" PRIu64 " bytes, %" PRIu64 " were signed", p->records_path,
                           size, p->manifest->statement.records.bytes);
    return open_tiles(p, o->rebuild, err);
}

plumb_status plumb_prover_open(const char *path, const plumb_prover_options *options,
                               plumb_prover **prover, plumb_error *err)
{
    plumb_prover_options own;
    plumb_prover *p = NULL;
    *prover = NULL;
    plumb_prover_options_default(&own);
    if (options == NULL) options = &own;
    if (options->size != sizeof *options || options->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_prover_options of unknown size or version");
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__alloc(&p, 1, sizeof *p, "prover", err));
    p->tiles.fd = p->records = -1;
    const plumb_status status = open_all(path, options, p, err);
    if (status != PLUMB_OK) {
        plumb_prover_free(p);
        return status;
    }
    *prover = p;
    return PLUMB_OK;
}

/* ---- one proof ---------------------------------------------------------------------------- */

static plumb_status read_line(const plumb_prover *p, uint64_t index, plumb__bytes *line,
                              plumb_error *err)
{
    uint64_t from = 0;
    size_t n = 0;
    PLUMB_TRY(plumb__tiles_line(&p->tiles, index, &from, &n, err));
    plumb__bytes_clear(line);
    PLUMB_TRY(plumb__grow(&line->data, &line->capacity, n + 1, 1, "record", err));
    line->size = n;
    return plumb__fd_read_at(p->records, line->data, n, from, p->records_path, err);
}

plumb_status plumb_prover_line(const plumb_prover *p, uint64_t index, char **line, size_t *n,
                               plumb_error *err)
{
    plumb__bytes text = {0};
    *line = NULL;
    *n = 0;
    plumb_status status = read_line(p, index, &text, err);
    if (status == PLUMB_OK) status = plumb__memdup(line, text.data, text.size, err);
    if (status == PLUMB_OK) *n = text.size;
    plumb__bytes_free(&text);
    return status;
}

/* A line that cannot be read as a record is not the one that is looked for. */
static bool has_id(plumb_prover *p, const plumb__bytes *line, const char *id)
{
    plumb__arena_reset(&p->arena, (size_t)1 << 20);
    if (plumb__scan_line(&p->scan, &p->arena, (const char *)line->data, line->size, NULL) !=
        PLUMB_OK)
        return false;
    const plumb__scan_node *node = &p->scan.nodes[p->scan.field[0]];
    return p->scan.field[0] != 0 && node->kind == PLUMB__SCAN_STRING && node->bytes == strlen(id) &&
           memcmp(node->text, id, node->bytes) == 0;
}

/* The record by the index of the tiles; *found false where it lists none. */
static plumb_status find(plumb_prover *p, const char *id, plumb__bytes *line, uint64_t *index,
                         bool *found, plumb_error *err)
{
    uint32_t candidates[PLUMB__TILES_CANDIDATES];
    size_t n = 0;
    *found = false;
    PLUMB_TRY(plumb__tiles_find(&p->tiles, id, strlen(id), candidates, &n, err));
    for (size_t i = 0; i < n && !*found; i++) {
        PLUMB_TRY(read_line(p, candidates[i], line, err));
        *found = has_id(p, line, id);
        *index = candidates[i];
    }
    return PLUMB_OK;
}

static plumb_status prove_once(plumb_prover *p, const char *id, plumb__bytes *text, uint64_t *index,
                               bool *found, plumb_error *err)
{
    plumb__bytes line = {0};
    plumb__proof proof = {0};
    const plumb__bytes *checkpoint = &p->manifest->checkpoint;
    plumb__bytes_clear(text);
    plumb_status status = find(p, id, &line, index, found, err);
    if (status == PLUMB_OK && *found) {
        status = plumb__proof_make(&p->tiles, checkpoint->data, checkpoint->size, *index, line.data,
                                   line.size, &proof, err);
        if (p->without_record) proof.has_extra = false;
        if (status == PLUMB_OK) status = plumb__proof_dump(&proof, text, err);
        plumb__proof_free(&proof);
    }
    plumb__bytes_free(&line);
    return status;
}

plumb_status plumb_prover_prove(plumb_prover *p, const char *id, char **text, size_t *n,
                                uint64_t *index, plumb_error *err)
{
    plumb__bytes out = {0};
    plumb_error why = {0};
    uint64_t at = 0;
    bool found = false;
    *text = NULL;
    *n = 0;
    plumb_status status = prove_once(p, id, &out, &at, &found, &why);
    if ((status != PLUMB_OK || !found) && status != PLUMB_ERR_NO_MEMORY && !p->rebuilt) {
        /* A wrong store, or one that leaves this record out: only the records file can tell. */
        status = rebuild(p, status != PLUMB_OK ? why.message : "the id was not in it", &why);
        if (status == PLUMB_OK) status = prove_once(p, id, &out, &at, &found, &why);
    }
    if (status != PLUMB_OK && err != NULL) *err = why;
    if (status == PLUMB_OK && found) {
        status = plumb__memdup(text, out.data, out.size, err);
        *n = out.size;
    }
    if (index != NULL) *index = at;
    plumb__bytes_free(&out);
    return status;
}
