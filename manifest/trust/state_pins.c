/* Pins: comparing what is offered with what was seen. A pin stands under the fingerprint of a
 * store's first roots:
 *   {"store":{version, identity, rotations, root, seen},
 *    "manifests":{"vendor/dataset":[{version, root, statement, issued, seen, signers, cosigned,
 *                                withdrawals}…]}}
 * Rotations count before versions: other roots are how the keepers of a store recover from somebody
 * who signed a version far ahead (docs/formats/state.md). */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/trust/state.h"
#include "manifest/trust/trust_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static plumb_status no_memory(plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the pins");
}

static json_t *root_pins(const plumb_state *state, const plumb_trust *trust)
{
    return json_object_get(state->pins, plumb_trust_root_fingerprint(trust));
}

static const char *text_of(const json_t *obj, const char *name)
{
    const char *text = json_string_value(json_object_get(obj, name));
    return text != NULL ? text : "";
}

static uint64_t number_of(const json_t *obj, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(obj, name));
}

/* ---- trust stores ---- */

static plumb_status check_roots(const char *what, const json_t *pin, const plumb_trust *trust,
                                plumb_error *err)
{
    const uint64_t rotations = number_of(pin, "rotations");
    if (trust->rotations < rotations) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: rollback: this trust store was seen after %" PRIu64
                           " changes of its roots (on %s), here there were %u; get the newer one",
                           what, rotations, text_of(pin, "seen"), trust->rotations);
    }
    if (strcmp(trust->fingerprints[rotations], text_of(pin, "root")) == 0) return PLUMB_OK;
    return plumb__fail(
        err, PLUMB_ERR_TRUST,
        "%s: fork: its roots after %" PRIu64
        " changes are %.16s…, seen were %s (on %s); ask its keepers which are theirs",
        what, rotations, trust->fingerprints[rotations], text_of(pin, "root"),
        text_of(pin, "seen"));
}

static plumb_status check_version(const char *what, const json_t *pin, const plumb_trust *trust,
                                  plumb_error *err)
{
    const uint64_t seen = number_of(pin, "version");
    const char *identity = text_of(pin, "identity"), *when = text_of(pin, "seen");
    if (trust->version < seen) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: rollback: version %" PRIu64
                           " of this trust store was seen (on %s), this is version %" PRIu64
                           "; get the newer one",
                           what, seen, when, trust->version);
    }
    if (trust->version == seen && strcmp(trust->identity, identity) != 0) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: equivocation: version %" PRIu64
                           " of this trust store was seen with other content (on %s): its root "
                           "keys have signed two",
                           what, seen, when);
    }
    if (trust->version == seen + 1 && strcmp(trust->previous, identity) != 0) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: fork: version %" PRIu64
                           " of this trust store does not replace the version %" PRIu64
                           " that was seen (on %s)",
                           what, trust->version, seen, when);
    }
    return PLUMB_OK;
}

plumb_status plumb_state_check_trust(const plumb_state *state, const char *what,
                                     const plumb_trust *trust, plumb_error *err)
{
    const json_t *pin = json_object_get(root_pins(state, trust), "store");
    if (pin == NULL) return PLUMB_OK;
    PLUMB_TRY(check_roots(what, pin, trust, err));
    if (trust->rotations > number_of(pin, "rotations")) return PLUMB_OK;
    return check_version(what, pin, trust, err);
}

uint64_t plumb_state_trust_version(const plumb_state *state, const plumb_trust *trust)
{
    return number_of(json_object_get(root_pins(state, trust), "store"), "version");
}

/* ---- manifests ---- */

static void manifest_key(const char *vendor, const char *dataset, char out[256])
{
    snprintf(out, 256, "%s/%s", vendor, dataset);
}

static json_t *seen_versions(const plumb_state *state, const plumb_trust *trust, const char *vendor,
                             const char *dataset)
{
    char key[256];
    manifest_key(vendor, dataset, key);
    return json_object_get(json_object_get(root_pins(state, trust), "manifests"), key);
}

/* The store calls this key compromised (under any vendor), and no witness saw the manifest before.
 */
static bool voided(const plumb_trust *trust, const char *keyid, int64_t cosigned_s)
{
    char id[PLUMB_KEYID_TEXT_BYTES];
    for (size_t i = 0; i < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        if (!plumb__trust_compromised(k)) continue;
        if (cosigned_s != 0 && cosigned_s < k->revoked_at) continue;
        plumb_public_key_id(&k->key, id);
        if (strcmp(id, keyid) == 0) return true;
    }
    return false;
}

/* Whether a version seen before still counts. This is the recovery from somebody who held a
 * vendor's key and signed a version far ahead: declared compromised, the key takes its pins along.
 */
static bool stands(const json_t *entry, const plumb_trust *trust, const char *vendor)
{
    const json_t *signers = json_object_get(entry, "signers");
    const uint32_t need = plumb_trust_threshold(trust, vendor, PLUMB_ROLE_QUALITY_ATTESTATION);
    int64_t cosigned_s = 0;
    uint32_t good = 0, bad = 0;
    (void)plumb__time_parse(text_of(entry, "cosigned"), &cosigned_s);
    for (size_t i = 0; i < json_array_size(signers); i++) {
        const char *keyid = json_string_value(json_array_get(signers, i));
        const bool is_void = keyid == NULL || voided(trust, keyid, cosigned_s);
        good += !is_void;
        bad += is_void;
    }
    return bad == 0 || good >= need;
}

static plumb_status check_same(const char *what, const json_t *entry,
                               const plumb_state_statement *s, plumb_error *err)
{
    if (strcmp(text_of(entry, "root"), s->root) != 0) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: equivocation: version %" PRIu64
                           " of %s/%s was seen with the record tree %.16s… (on %s), here it is "
                           "%.16s…; ask the vendor which one holds",
                           what, s->manifest_version, s->vendor, s->dataset, text_of(entry, "root"),
                           text_of(entry, "seen"), s->root);
    }
    if (strcmp(text_of(entry, "statement"), s->statement) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: equivocation: version %" PRIu64
                       " of %s/%s was seen with another statement about the same records (on %s); "
                       "ask the vendor which one holds",
                       what, s->manifest_version, s->vendor, s->dataset, text_of(entry, "seen"));
}

plumb_status plumb_state_check_statement(const plumb_state *state, const char *what,
                                         const plumb_trust *trust, const plumb_state_statement *s,
                                         plumb_error *err)
{
    const json_t *entries = seen_versions(state, trust, s->vendor, s->dataset);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        if (number_of(entry, "version") == s->manifest_version && stands(entry, trust, s->vendor)) {
            PLUMB_TRY(check_same(what, entry, s, err));
        }
    }
    return PLUMB_OK;
}

static plumb_status check_supersedes(const char *what, const json_t *entry, const plumb_manifest *m,
                                     plumb_error *err)
{
    const plumb__statement *s = &m->statement;
    char root[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(&s->supersedes_root, root);
    if (strcmp(text_of(entry, "root"), root) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: mix and match: it replaces a version %" PRIu64
                       " of %s/%s with the record tree %.16s…, the one seen has %.16s… (on %s)",
                       what, s->supersedes_version, s->vendor, s->dataset, root,
                       text_of(entry, "root"), text_of(entry, "seen"));
}

static const json_t *highest(const json_t *entries, const plumb_trust *trust, const char *vendor)
{
    const json_t *best = NULL;
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        if (!stands(entry, trust, vendor)) continue;
        if (best == NULL || number_of(entry, "version") > number_of(best, "version")) best = entry;
    }
    return best;
}

plumb_status plumb_state_check_manifest(const plumb_state *state, const char *what,
                                        const plumb_trust *trust, const plumb_manifest *m,
                                        bool past, plumb_error *err)
{
    const plumb__statement *s = &m->statement;
    const json_t *entries = seen_versions(state, trust, s->vendor, s->dataset);
    const plumb_state_statement same = {s->vendor, s->dataset, s->version, m->root_hex,
                                        m->statement_hex};
    PLUMB_TRY(plumb_state_check_statement(state, what, trust, &same, err));
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        const uint64_t version = number_of(entry, "version");
        if (!stands(entry, trust, s->vendor)) continue;
        /* A finished run is judged by what was withdrawn when it began. */
        if (version == s->version && !past) {
            PLUMB_TRY(plumb__state_check_withdrawals(what, entry, m, err));
        }
        if (version == s->supersedes_version) PLUMB_TRY(check_supersedes(what, entry, m, err));
    }
    const json_t *best = highest(entries, trust, s->vendor);
    if (past || best == NULL || s->version >= number_of(best, "version")) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: rollback: version %" PRIu64
                       " of %s/%s was seen (on %s), this is version %" PRIu64 "; get the newer one",
                       what, number_of(best, "version"), s->vendor, s->dataset,
                       text_of(best, "seen"), s->version);
}

uint64_t plumb_state_manifest_version(const plumb_state *state, const plumb_trust *trust,
                                      const char *vendor, const char *dataset)
{
    return number_of(highest(seen_versions(state, trust, vendor, dataset), trust, vendor),
                     "version");
}

/* ---- writing ---- */

static json_t *time_json(int64_t unix_s)
{
    char text[21];
    plumb__time_format(unix_s, text);
    return json_string(text);
}

/* The object under a name, made when it is not there; NULL without memory. */
static json_t *member(json_t *obj, const char *name, json_t *(*make)(void))
{
    json_t *value = json_object_get(obj, name);
    if (value != NULL || obj == NULL) return value;
    value = make();
    return json_object_set_new(obj, name, value) == 0 ? value : NULL;
}

static plumb_status pin_trust(json_t *pins, const plumb_trust *trust, plumb_error *err)
{
    const json_t *old = json_object_get(pins, "store");
    if (old != NULL && strcmp(text_of(old, "identity"), trust->identity) == 0) return PLUMB_OK;
    json_t *pin =
        json_pack("{s:I,s:s,s:I,s:s,s:o}", "version", (json_int_t)trust->version, "identity",
                  trust->identity, "rotations", (json_int_t)trust->rotations, "root",
                  plumb_trust_current_fingerprint(trust), "seen", time_json(plumb__wall_s()));
    return json_object_set_new(pins, "store", pin) == 0 ? PLUMB_OK : no_memory(err);
}

static json_t *manifest_json(const plumb_manifest *m)
{
    const plumb__statement *s = &m->statement;
    return json_pack("{s:I,s:s,s:s,s:o,s:o,s:[]}", "version", (json_int_t)s->version, "root",
                     m->root_hex, "statement", m->statement_hex, "issued", time_json(s->issued_s),
                     "seen", time_json(plumb__wall_s()), "signers");
}

static bool lists(const json_t *signers, const char *keyid)
{
    for (size_t i = 0; i < json_array_size(signers); i++) {
        const char *one = json_string_value(json_array_get(signers, i));
        if (one != NULL && strcmp(one, keyid) == 0) return true;
    }
    return false;
}

/* What came to a version since it was first seen: a signer, a witness, withdrawals. Of what was
 * seen nothing goes, or a key declared compromised later could take the pin along. */
static plumb_status pin_support(json_t *entry, const plumb_trust *trust, const plumb_manifest *m,
                                plumb_error *err)
{
    json_t *signers = json_object_get(entry, "signers");
    int64_t before_s = 0, cosigned_s = 0;
    PLUMB_TRY(plumb__manifest_cosigned(m, "the manifest's checkpoint", trust, &cosigned_s, err));
    for (uint32_t i = 0; i < m->n_signers; i++) {
        if (lists(signers, m->signers[i].keyid)) continue;
        if (json_array_append_new(signers, json_string(m->signers[i].keyid)) != 0) {
            return no_memory(err);
        }
    }
    (void)plumb__time_parse(text_of(entry, "cosigned"), &before_s);
    if (cosigned_s != 0 && (before_s == 0 || cosigned_s < before_s) &&
        json_object_set_new(entry, "cosigned", time_json(cosigned_s)) != 0) {
        return no_memory(err);
    }
    return plumb__state_pin_withdrawals(entry, m, err);
}

/* What no longer counts goes, and of many versions the lowest. */
static void trim(json_t *entries, const plumb_trust *trust, const char *vendor)
{
    for (size_t i = json_array_size(entries); i-- > 0;) {
        if (!stands(json_array_get(entries, i), trust, vendor)) json_array_remove(entries, i);
    }
    while (json_array_size(entries) > PLUMB__STATE_MAX_SEEN) {
        size_t low = 0;
        for (size_t i = 1; i < json_array_size(entries); i++) {
            if (number_of(json_array_get(entries, i), "version") <
                number_of(json_array_get(entries, low), "version")) {
                low = i;
            }
        }
        json_array_remove(entries, low);
    }
}

static plumb_status pin_manifest(json_t *pins, const plumb_trust *trust, const plumb_manifest *m,
                                 plumb_error *err)
{
    char key[256];
    manifest_key(m->statement.vendor, m->statement.dataset, key);
    json_t *entries = member(member(pins, "manifests", json_object), key, json_array);
    if (entries == NULL) return no_memory(err);
    trim(entries, trust, m->statement.vendor);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        json_t *entry = json_array_get(entries, i);
        if (number_of(entry, "version") == m->statement.version) {
            return pin_support(entry, trust, m, err); /* checked to be the same */
        }
    }
    json_t *entry = manifest_json(m);
    if (json_array_append_new(entries, entry) != 0) return no_memory(err);
    PLUMB_TRY(pin_support(entry, trust, m, err));
    trim(entries, trust, m->statement.vendor);
    return PLUMB_OK;
}

plumb_status plumb_state_pin(plumb_state *state, const char *what, const plumb_trust *trust,
                             const plumb_manifest *m, plumb_error *err)
{
    PLUMB_TRY(plumb_state_check_trust(state, what, trust, err)); /* P1 */
    if (m != NULL) PLUMB_TRY(plumb_state_check_manifest(state, what, trust, m, false, err));
    json_t *pins = member(state->pins, plumb_trust_root_fingerprint(trust), json_object);
    if (pins == NULL) return no_memory(err);
    PLUMB_TRY(pin_trust(pins, trust, err));
    if (m != NULL) PLUMB_TRY(pin_manifest(pins, trust, m, err));
    return plumb__state_save(state, err);
}

plumb_status plumb_state_json(const plumb_state *state, const plumb_trust *trust, char **text,
                              plumb_error *err)
{
    plumb__bytes out = {0};
    const json_t *pins = root_pins(state, trust);
    *text = NULL;
    if (pins == NULL) return plumb__memdup(text, "{}", 2, err);
    plumb_status status = plumb__json_dump(pins, &out, err);
    if (status == PLUMB_OK) status = plumb__memdup(text, out.data, out.size, err);
    plumb__bytes_free(&out);
    return status;
}
