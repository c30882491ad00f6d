/* Who signed a checkpoint that comes without its manifest, and the whole check of a proof. */
#include "manifest/proofs/proof.h"
#include "manifest/trust/trust_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "vendor/dataset/vN" */
static bool read_vendor(const char *origin, char out[PLUMB__NAME_MAX + 1])
{
    const char *slash = strchr(origin, '/');
    const size_t n = slash != NULL ? (size_t)(slash - origin) : 0;
    if (n == 0 || n > PLUMB__NAME_MAX) return false;
    memcpy(out, origin, n);
    out[n] = '\0';
    const char *version = strchr(slash + 1, '/');
    if (!plumb__name_valid(out) || version == NULL) return false;
    return version > slash + 1 && version[1] == 'v' && strchr(version + 1, '/') == NULL;
}

typedef struct judging {
    const char *what;
    const plumb__note *note;
    const plumb_trust *trust;
    int64_t at_s;
    plumb__endorsement *out;
    plumb_status why; /* the last signer that did not count, and its message */
    plumb_error *err;
} judging;

/* True if the key has signed; its lines count as checked. */
static plumb_status find_lines(const judging *j, const plumb_trust_key *k, bool *signed_it)
{
    const char *origin = j->note->checkpoint.origin;
    *signed_it = false;
    for (size_t i = 0; i < j->note->n_lines; i++) {
        const plumb__note_line *line = &j->note->lines[i];
        if (!plumb__note_line_names(line, origin, PLUMB__NOTE_ED25519, &k->key)) continue;
        if (!plumb__note_line_holds(j->note, line, &k->key))
            return plumb__fail(j->err, PLUMB_ERR_SIGNATURE,
                               "%s: the signature of %s does not hold: the checkpoint was changed",
                               j->what, origin);
        *signed_it = true;
        j->out->unchecked_lines--;
    }
    return PLUMB_OK;
}

static plumb_status judge_key(judging *j, const plumb_trust_key *k)
{
    const plumb_trust_key *entry = NULL;
    plumb_error why = {0};
    bool signed_it = false;
    PLUMB_TRY(find_lines(j, k, &signed_it));
    if (!signed_it) return PLUMB_OK;
    const plumb_status one =
        plumb__trust_check_seen(j->trust, &k->key, k->vendor, PLUMB_ROLE_QUALITY_ATTESTATION,
                                j->at_s, j->out->witnesses.earliest_s, &entry, &why);
    if (one == PLUMB_OK)
        j->out->signers[j->out->n_signers++] = entry->name;
    else
        j->why = plumb__fail(j->err, one, "%s: %s", j->what, why.message);
    return PLUMB_OK;
}

static plumb_status enough(const judging *j)
{
    const char *vendor = j->out->vendor;
    const plumb_role role = PLUMB_ROLE_QUALITY_ATTESTATION;
    const uint32_t need = plumb_trust_threshold(j->trust, vendor, role), n = j->out->n_signers;
    if (n >= need) return PLUMB_OK;
    if (n == 0 && j->why != PLUMB_OK) return j->why;
    if (n == 0)
        return plumb__fail(j->err, PLUMB_ERR_TRUST,
                           "%s: is signed by no key that the trust store lists for vendor %s",
                           j->what, vendor);
    return plumb__fail(j->err, PLUMB_ERR_TRUST,
                       "%s: %u of vendor %s's keys have signed as %s, the trust store wants %u",
                       j->what, n, vendor, plumb_role_name(role), need);
}

plumb_status plumb__checkpoint_judge(const char *what, const plumb__note *note,
                                     const plumb_trust *trust, int64_t at_s,
                                     plumb__endorsement *out, plumb_error *err)
{
    judging j = {what, note, trust, at_s, out, PLUMB_OK, err};
    memset(out, 0, sizeof *out);
    if (!read_vendor(note->checkpoint.origin, out->vendor))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: its origin \"%s\" is not that of a manifest (VENDOR/DATASET/vN)",
                           what, note->checkpoint.origin);
    out->unchecked_lines = (uint32_t)note->n_lines;
    PLUMB_TRY(plumb__witnesses_find(what, out->vendor, note, trust, &out->witnesses, err));
    for (size_t i = 0; i < note->n_lines; i++) {
        out->unchecked_lines -= out->witnesses.by_witness[i];
    }
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        if (strcmp(k->vendor, out->vendor) == 0) PLUMB_TRY(judge_key(&j, k));
    }
    return enough(&j);
}

static plumb_status check_included(const char *what, const plumb__proof *proof, const void *line,
                                   size_t n, plumb_error *err)
{
    const plumb__checkpoint *k = &proof->note.checkpoint;
    if (line == NULL && !proof->has_extra)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: carries no record; give the line it is about with --record FILE",
                           what);
    if (proof->index >= k->size)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: is about record %" PRIu64 ", but its checkpoint has %" PRIu64
                           " (the first is 0)",
                           what, proof->index, k->size);
    if (line == NULL ? plumb__proof_includes(proof, proof->extra.data, proof->extra.size)
                     : plumb__proof_includes(proof, line, n))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "%s: does not prove this line: it is not record %" PRIu64
                       " of %s, or the proof was changed",
                       what, proof->index, k->origin);
}

plumb_status plumb__proof_check(const char *what, const void *data, size_t n,
                                const plumb_trust *trust, int64_t at_s, const void *line,
                                size_t line_size, plumb__proof *proof, plumb__endorsement *by,
                                plumb_error *err)
{
    memset(by, 0, sizeof *by);
    PLUMB_TRY(plumb__proof_parse(what, data, n, proof, err));
    plumb_status status = PLUMB_OK;
    if (trust != NULL) {
        status = plumb__checkpoint_judge(what, &proof->note, trust, at_s, by, err);
    }
    if (status == PLUMB_OK) status = check_included(what, proof, line, line_size, err);
    if (status != PLUMB_OK) plumb__proof_free(proof);
    return status;
}
