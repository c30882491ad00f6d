/* The text form of a proof, its making from tiles, and the check that a line is in the tree. */
#include "manifest/proofs/proof.h"
#include "manifest/proofs/lines.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define EXTRA "extra "
#define INDEX "index "

/* ---- parsing ------------------------------------------------------------------------------ */

static bool opens_with(const plumb__lines *c, const char *word)
{
    const size_t n = strlen(word);
    return c->line_size >= n && memcmp(c->line, word, n) == 0;
}

static plumb_status wrong_line(const plumb__lines *c, const char *expected, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %zu: expected %s", c->what, c->line_number,
                       expected);
}

static bool take_index(const plumb__lines *c, uint64_t *out)
{
    return plumb__lines_number(c->line + strlen(INDEX), c->line_size - strlen(INDEX), out);
}

static bool take_hash(const plumb__lines *c, plumb__hash *out)
{
    plumb__bytes bytes = {0};
    const bool ok = c->line_size == 44 &&
                    plumb__base64_decode(c->line, c->line_size, &bytes, NULL) == PLUMB_OK &&
                    bytes.size == PLUMB__HASH_BYTES;
    if (ok) memcpy(out->bytes, bytes.data, PLUMB__HASH_BYTES);
    plumb__bytes_free(&bytes);
    return ok;
}

static plumb_status parse_extra(const plumb__lines *c, plumb__proof *out, plumb_error *err)
{
    out->has_extra = true;
    if (plumb__base64_decode(c->line + strlen(EXTRA), c->line_size - strlen(EXTRA), &out->extra,
                             NULL) == PLUMB_OK)
        return PLUMB_OK;
    return wrong_line(c, "canonical base64 behind \"extra\"", err);
}

static plumb_status parse_path(plumb__lines *c, plumb__proof *out, plumb_error *err)
{
    for (;;) {
        if (!plumb__lines_next(c)) return wrong_line(c, "an empty line and the checkpoint", err);
        if (c->line_size == 0) return PLUMB_OK;
        if (out->n_hashes == PLUMB__PROOF_MAX_HASHES)
            return wrong_line(c, "an empty line: a path has at most 64 hashes", err);
        if (!take_hash(c, &out->path[out->n_hashes]))
            return wrong_line(c, "a hash of 32 bytes in base64, or an empty line", err);
        out->n_hashes++;
    }
}

static plumb_status parse(plumb__lines *c, plumb__proof *out, plumb_error *err)
{
    static const char first[] = PLUMB__PROOF_FIRST_LINE;
    if (!plumb__lines_next(c) || c->line_size + 1 != sizeof first - 1 ||
        memcmp(c->line, first, c->line_size) != 0)
        return wrong_line(c, "\"c2sp.org/tlog-proof@v1\"", err);
    if (!plumb__lines_next(c)) return wrong_line(c, "\"extra\" or \"index\"", err);
    if (opens_with(c, EXTRA)) {
        PLUMB_TRY(parse_extra(c, out, err));
        if (!plumb__lines_next(c)) return wrong_line(c, "\"index\"", err);
    }
    if (!opens_with(c, INDEX) || !take_index(c, &out->index))
        return wrong_line(c, "\"index\" and a number without a leading zero", err);
    PLUMB_TRY(parse_path(c, out, err));
    out->checkpoint = c->text + c->at;
    out->checkpoint_size = c->n - c->at;
    return plumb__note_parse(c->what, out->checkpoint, out->checkpoint_size, &out->note, err);
}

plumb_status plumb__proof_parse(const char *what, const void *data, size_t n, plumb__proof *out,
                                plumb_error *err)
{
    plumb__lines c = {.what = what, .text = data, .n = n};
    memset(out, 0, sizeof *out);
    if (n > PLUMB__PROOF_CAP)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: a proof has at most %zu bytes", what,
                           PLUMB__PROOF_CAP);
    const plumb_status status = parse(&c, out, err);
    if (status != PLUMB_OK) plumb__proof_free(out);
    return status;
}

void plumb__proof_free(plumb__proof *proof)
{
    plumb__bytes_free(&proof->extra);
    memset(proof, 0, sizeof *proof);
}

/* ---- making ------------------------------------------------------------------------------- */

plumb_status plumb__proof_dump(const plumb__proof *proof, plumb__bytes *out, plumb_error *err)
{
    plumb__bytes_append_text(out, PLUMB__PROOF_FIRST_LINE);
    if (proof->has_extra) {
        plumb__bytes_append_text(out, EXTRA);
        plumb__base64_append(out, proof->extra.data, proof->extra.size);
        plumb__bytes_append_text(out, "\n");
    }
    plumb__bytes_appendf(out, INDEX "%" PRIu64 "\n", proof->index);
    for (size_t i = 0; i < proof->n_hashes; i++) {
        plumb__base64_append(out, proof->path[i].bytes, PLUMB__HASH_BYTES);
        plumb__bytes_append_text(out, "\n");
    }
    plumb__bytes_append_text(out, "\n");
    plumb__bytes_append(out, proof->checkpoint, proof->checkpoint_size);
    return plumb__bytes_check(out, err);
}

plumb_status plumb__proof_make(const plumb__tiles *tiles, const void *checkpoint,
                               size_t checkpoint_size, uint64_t index, const void *line, size_t n,
                               plumb__proof *out, plumb_error *err)
{
    memset(out, 0, sizeof *out);
    out->index = index;
    out->checkpoint = checkpoint;
    out->checkpoint_size = checkpoint_size;
    PLUMB_TRY(plumb__note_parse("checkpoint", checkpoint, checkpoint_size, &out->note, err));
    PLUMB_TRY(plumb__tiles_path(tiles, index, out->path, &out->n_hashes, err));
    if (!plumb__proof_includes(out, line, n))
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: does not lead from record %" PRIu64 " to the signed root",
                           tiles->path, index);
    out->has_extra = true;
    plumb__bytes_append(&out->extra, line, n);
    return plumb__bytes_check(&out->extra, err);
}

bool plumb__proof_includes(const plumb__proof *proof, const void *line, size_t n)
{
    const plumb__checkpoint *k = &proof->note.checkpoint;
    const plumb__hash leaf = plumb__merkle_leaf(line, n);
    return plumb__merkle_check(&leaf, proof->index, k->size, proof->path, proof->n_hashes,
                               &k->root);
}
