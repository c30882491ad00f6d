/* Proofs and checkpoints as files that come without their manifest. */
#include "manifest/plumb_proof.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/proofs/proof.h"

#include <string.h>

struct plumb_proof {
    plumb__bytes text, line;
    plumb__proof proof; /* a checkpoint alone: its note only */
    plumb__endorsement by;
    char *signers[PLUMB__NOTE_MAX_LINES]; /* the store may go before the proof */
    char root_hex[PLUMB__HASH_HEX_BYTES], statement_hex[PLUMB__HASH_HEX_BYTES];
    bool checkpoint;
    const char *line_text; /* of line, NUL ended */
};

void plumb_proof_options_default(plumb_proof_options *options)
{
    *options = (plumb_proof_options){.size = sizeof *options, .version = 1};
}

void plumb_proof_free(plumb_proof *p)
{
    if (p == NULL) return;
    for (size_t i = 0; i < PLUMB__NOTE_MAX_LINES; i++) {
        plumb__free(p->signers[i]);
    }
    plumb__proof_free(&p->proof);
    plumb__bytes_free(&p->text);
    plumb__bytes_free(&p->line);
    plumb__free(p);
}

/* One line, its LF may be there or not. */
static plumb_status read_line(const char *path, plumb__bytes *out, plumb_error *err)
{
    PLUMB_TRY(plumb__file_read(path, PLUMB__RECORD_LINE_CAP + 1, out, err));
    if (out->size > 0 && out->data[out->size - 1] == '\n') out->size--;
    if (out->size > 0 && memchr(out->data, '\n', out->size) == NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must hold one record in one line", path);
}

static plumb_status check_proof(const char *path, const plumb_proof_options *o, int64_t at_s,
                                plumb_proof *p, plumb_error *err)
{
    const bool given = o->record_path != NULL;
    if (given) PLUMB_TRY(read_line(o->record_path, &p->line, err));
    PLUMB_TRY(plumb__file_read(path, PLUMB__PROOF_CAP, &p->text, err));
    PLUMB_TRY(plumb__proof_check(path, p->text.data, p->text.size, o->trust, at_s,
                                 given ? p->line.data : NULL, p->line.size, &p->proof, &p->by,
                                 err));
    if (given) return PLUMB_OK;
    p->line = p->proof.extra; /* moves */
    p->proof.extra = (plumb__bytes){0};
    return PLUMB_OK;
}

static plumb_status check_checkpoint(const char *path, const plumb_proof_options *o, int64_t at_s,
                                     plumb_proof *p, plumb_error *err)
{
    plumb__note *note = &p->proof.note;
    p->checkpoint = true;
    PLUMB_TRY(plumb__file_read(path, PLUMB__NOTE_CAP, &p->text, err));
    PLUMB_TRY(plumb__note_parse(path, p->text.data, p->text.size, note, err));
    if (o->trust == NULL) return PLUMB_OK;
    return plumb__checkpoint_judge(path, note, o->trust, at_s, &p->by, err);
}

static plumb_status keep_names(plumb_proof *p, plumb_error *err)
{
    const plumb__checkpoint *k = &p->proof.note.checkpoint;
    p->line_text = plumb__bytes_text(&p->line);
    plumb__hash_hex(&k->root, p->root_hex);
    if (k->has_statement) plumb__hash_hex(&k->statement, p->statement_hex);
    for (uint32_t i = 0; i < p->by.n_signers; i++) {
        PLUMB_TRY(plumb__strdup(&p->signers[i], p->by.signers[i], err));
    }
    return PLUMB_OK;
}

typedef plumb_status check_fn(const char *path, const plumb_proof_options *o, int64_t at_s,
                              plumb_proof *p, plumb_error *err);

static plumb_status open_as(const char *path, const plumb_proof_options *o, check_fn *check,
                            plumb_proof **proof, plumb_error *err)
{
    plumb_proof_options own;
    plumb_proof *p = NULL;
    *proof = NULL;
    plumb_proof_options_default(&own);
    if (o == NULL) o = &own;
    if (o->size != sizeof *o || o->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_proof_options of unknown size or version");
    const int64_t at_s = o->at_s != 0 ? o->at_s : plumb__wall_s();
    PLUMB_TRY(plumb__crypto_init(err));
    if (o->trust != NULL) PLUMB_TRY(plumb__trust_check_expiry(o->trust, at_s, err));
    PLUMB_TRY(plumb__alloc(&p, 1, sizeof *p, "proof", err));
    plumb_status status = check(path, o, at_s, p, err);
    if (status == PLUMB_OK) status = keep_names(p, err);
    if (status != PLUMB_OK) {
        plumb_proof_free(p);
        return status;
    }
    *proof = p;
    return PLUMB_OK;
}

plumb_status plumb_proof_open(const char *path, const plumb_proof_options *options,
                              plumb_proof **proof, plumb_error *err)
{
    return open_as(path, options, check_proof, proof, err);
}

plumb_status plumb_checkpoint_open(const char *path, const plumb_proof_options *options,
                                   plumb_proof **proof, plumb_error *err)
{
    return open_as(path, options, check_checkpoint, proof, err);
}

void plumb_proof_describe(const plumb_proof *p, plumb_proof_info *info)
{
    *info = (plumb_proof_info){
        .size = sizeof *info,
        .version = 1,
        .origin = p->proof.note.checkpoint.origin,
        .root_hex = p->root_hex,
        .statement_hex = p->statement_hex,
        .records = p->proof.note.checkpoint.size,
        .index = p->proof.index,
        .line = p->checkpoint ? NULL : p->line_text,
        .line_bytes = p->line.size,
        .n_signers = p->by.n_signers,
        .n_witnesses = p->by.witnesses.n,
        .unchecked_lines = p->by.unchecked_lines,
        .cosigned_s = p->by.witnesses.earliest_s,
    };
}

const char *plumb_proof_signer_at(const plumb_proof *p, uint32_t i)
{
    return i < p->by.n_signers ? p->signers[i] : NULL;
}

plumb_manifest_witness plumb_proof_witness_at(const plumb_proof *p, uint32_t i)
{
    if (i >= p->by.witnesses.n) return (plumb_manifest_witness){NULL, 0};
    return (plumb_manifest_witness){p->by.witnesses.list[i].name, p->by.witnesses.list[i].time_s};
}
