/* C2SP tlog-cosignature, Ed25519 (signature type 0x04): the blob is the time, u64 big-endian, and
 * the signature over "cosignature/v1 LF time T LF" and the note's text. */
#include "manifest/proofs/cosign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static plumb_status message(const void *text, size_t n, int64_t time_s, plumb__bytes *out,
                            plumb_error *err)
{
    plumb__bytes_appendf(out, "cosignature/v1\ntime %" PRId64 "\n", time_s);
    plumb__bytes_append(out, text, n);
    return plumb__bytes_check(out, err);
}

plumb_status plumb__cosign(const char *name, const plumb_secret_key *key, const void *text,
                           size_t n, int64_t time_s, plumb__bytes *out, plumb_error *err)
{
    uint8_t blob[PLUMB__COSIGNATURE_BYTES];
    plumb_public_key public_key;
    plumb__bytes signed_text = {0};
    if (time_s <= 0) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a cosignature's time is 0");
    for (int i = 0; i < 8; i++) {
        blob[i] = (uint8_t)((uint64_t)time_s >> (56 - 8 * i));
    }
    plumb_status status = message(text, n, time_s, &signed_text, err);
    if (status == PLUMB_OK) {
        status = plumb_key_sign(key, signed_text.data, signed_text.size, blob + 8, err);
    }
    plumb__bytes_free(&signed_text);
    PLUMB_TRY(status);
    plumb_key_public(key, &public_key);
    return plumb__note_append_line(name, PLUMB__NOTE_COSIGNATURE, &public_key, blob, sizeof blob,
                                   out, err);
}

bool plumb__cosignature_holds(const plumb__note *note, const plumb__note_line *line,
                              const plumb_public_key *key, int64_t *time_s)
{
    uint8_t blob[PLUMB__COSIGNATURE_BYTES];
    uint64_t time = 0;
    plumb__bytes signed_text = {0};
    if (!plumb__note_line_signature(line, blob, sizeof blob)) return false;
    for (int i = 0; i < 8; i++) {
        time = time << 8 | blob[i];
    }
    if (time == 0 || time > INT64_MAX) return false;
    *time_s = (int64_t)time;
    const bool holds =
        message(note->text, note->text_size, *time_s, &signed_text, NULL) == PLUMB_OK &&
        plumb_signature_verify(key, signed_text.data, signed_text.size, blob + 8,
                               PLUMB_SIGNATURE_BYTES, NULL) == PLUMB_OK;
    plumb__bytes_free(&signed_text);
    return holds;
}

/* A witness is listed once, with its earliest time. */
static void add_witness(const char *name, int64_t time_s, plumb__witnesses *out)
{
    uint32_t i = 0;
    while (i < out->n && strcmp(out->list[i].name, name) != 0)
        i++;
    plumb__witness *w = &out->list[i];
    if (i == out->n) {
        out->n++;
        snprintf(w->name, sizeof w->name, "%s", name);
        w->time_s = time_s;
    }
    if (time_s < w->time_s) w->time_s = time_s;
    if (out->earliest_s == 0 || time_s < out->earliest_s) out->earliest_s = time_s;
}

/* Nobody is the witness of what its own key may sign: whoever holds the key could date it back. */
static bool signs_for(const plumb_trust *trust, const plumb_public_key *key, const char *vendor)
{
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        if ((k->roles & (1u << PLUMB_ROLE_QUALITY_ATTESTATION)) != 0 &&
            strcmp(k->vendor, vendor) == 0 && memcmp(&k->key, key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

/* The line against one witness of the store. */
static plumb_status try_witness(const char *what, const char *vendor, const plumb__note *note,
                                size_t at, const plumb_trust *trust, const plumb_trust_key *k,
                                plumb__witnesses *out, plumb_error *err)
{
    char name[PLUMB__WITNESS_NAME_BYTES];
    const plumb__note_line *line = &note->lines[at];
    int64_t time_s = 0;
    snprintf(name, sizeof name, "%.100s/%.100s", k->vendor, k->name);
    if (!plumb__note_line_names(line, name, PLUMB__NOTE_COSIGNATURE, &k->key)) return PLUMB_OK;
    if (!plumb__cosignature_holds(note, line, &k->key, &time_s)) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: the cosignature of %s does not hold: the checkpoint was changed",
                           what, name);
    }
    if (signs_for(trust, &k->key, vendor)) return PLUMB_OK;
    if (plumb_trust_check(trust, &k->key, k->vendor, PLUMB_ROLE_WITNESS, time_s, NULL, NULL) ==
        PLUMB_OK) {
        out->by_witness[at] = true;
        add_witness(name, time_s, out);
    }
    return PLUMB_OK;
}

plumb_status plumb__witnesses_find(const char *what, const char *vendor, const plumb__note *note,
                                   const plumb_trust *trust, plumb__witnesses *out,
                                   plumb_error *err)
{
    memset(out, 0, sizeof *out);
    for (size_t k = 0; k < plumb_trust_key_count(trust); k++) {
        const plumb_trust_key *entry = plumb_trust_key_at(trust, k);
        if ((entry->roles & (1u << PLUMB_ROLE_WITNESS)) == 0) continue;
        for (size_t i = 0; i < note->n_lines; i++) {
            PLUMB_TRY(try_witness(what, vendor, note, i, trust, entry, out, err));
        }
    }
    return PLUMB_OK;
}
