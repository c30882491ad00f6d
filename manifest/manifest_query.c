/* Questions to an open manifest. */
#include "base/alloc.h"
#include "manifest/files.h"
#include "manifest/manifest_object.h"

#include <math.h>
#include <string.h>

void plumb_manifest_describe(const plumb_manifest *m, plumb_manifest_info *info)
{
    *info = (plumb_manifest_info){
        .size = sizeof *info,
        .version = 1,
        .vendor = m->statement.vendor,
        .dataset = m->statement.dataset,
        .manifest_version = m->statement.version,
        .records = m->table.n,
        .issued_s = m->statement.issued_s,
        .expires_s = m->statement.expires_s,
        .expired = m->expired,
        .root_hex = m->root_hex,
        .statement_digest = m->statement_hex,
        .envelope_digest = m->envelope_hex,
        .records_digest = m->records_hex,
        .table_bytes = plumb__table_memory(&m->table) + plumb__line_index_memory(&m->file.index),
        .audience = m->statement.audience,
        .n_signers = m->n_signers,
        .checkpoint = m->checkpoint.size > 0,
        .withdrawals = (uint32_t)m->withdrawals.n,
        .withdrawn = m->withdrawals.withdrawn,
        .withdrawals_digest = m->withdrawals.n > 0 ? m->withdrawals.last_hex : NULL,
        .cosigned_s = m->witnesses.earliest_s,
        .n_witnesses = m->witnesses.n,
        .unchecked_lines = m->unchecked_lines,
    };
}

plumb_manifest_signer plumb_manifest_signer_at(const plumb_manifest *m, uint32_t i)
{
    if (i >= m->n_signers) return (plumb_manifest_signer){NULL, NULL};
    return (plumb_manifest_signer){m->signers[i].name, m->signers[i].keyid};
}

plumb_manifest_witness plumb_manifest_witness_at(const plumb_manifest *m, uint32_t i)
{
    if (i >= m->witnesses.n) return (plumb_manifest_witness){NULL, 0};
    return (plumb_manifest_witness){m->witnesses.list[i].name, m->witnesses.list[i].time_s};
}

const char *plumb_manifest_statement(const plumb_manifest *m, size_t *n)
{
    *n = m->payload.size;
    return (const char *)m->payload.data;
}

uint32_t plumb_manifest_find(const plumb_manifest *m, const char *id)
{
    return plumb__table_find(&m->table, id);
}

void plumb_record_default(plumb_record *record)
{
    *record = (plumb_record){.size = sizeof *record, .version = 1};
}

static plumb_status check_number(const plumb_manifest *m, uint32_t number, plumb_error *err)
{
    if (number < m->table.n) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_ARGUMENT, "record %u of a manifest with %u", number,
                       m->table.n);
}

static void fill_class(const plumb_manifest *m, uint32_t number, plumb_record *out)
{
    const plumb__table *t = &m->table;
    const plumb__class c = plumb__table_class(t, number);
    out->rubric = plumb__table_text(t, c.rubric);
    out->domain = plumb__table_text(t, c.domain);
    out->batch = plumb__table_text(t, c.batch);
    out->cohort = plumb__table_text(t, c.cohort);
    out->source = plumb__table_text(t, c.source);
    out->template_name = plumb__table_text(t, c.template_name);
    out->component = plumb__table_text(t, c.component);
    out->consent = plumb__table_text(t, c.consent);
    out->licence = plumb__table_text(t, c.licence);
    out->marking = plumb__table_text(t, c.marking);
    out->profile_number = c.profile;
    out->profile = plumb_manifest_profile_text(m, c.profile);
    out->weight = c.weight;
    out->step_budget_nats = c.step_nats;
    out->run_budget_nats = c.run_nats;
}

plumb_status plumb_manifest_record(const plumb_manifest *m, uint32_t number, plumb_record *out,
                                   plumb_error *err)
{
    const plumb__table *t = &m->table;
    PLUMB_TRY(check_number(m, number, err));
    plumb_record_default(out);
    out->id = plumb__table_text(t, t->id[number]);
    out->text = plumb__table_text(t, t->text[number]);
    out->label = plumb__table_text(t, t->label[number]);
    out->parent = plumb__table_text(t, plumb__table_parent(t, number));
    fill_class(m, number, out);
    out->annotators =
        plumb__table_annotators(t, plumb__narrow_at(&t->annotators_of, number), &out->n_annotators);
    out->quality = plumb__values_at(&t->quality, number);
    const int64_t withdrawn_s = plumb__table_withdrawn_s(t, number);
    out->withdrawn = withdrawn_s != PLUMB__NOT_WITHDRAWN;
    out->withdrawn_s = out->withdrawn ? withdrawn_s : 0;
    (void)plumb__table_segments(t, number, &out->n_segments);
    const uint64_t content_bytes = plumb__table_content_bytes(t, number);
    out->has_digest = content_bytes != PLUMB__NO_CONTENT;
    if (out->has_digest) {
        out->content_bytes = content_bytes;
        memcpy(out->sha256, t->sha256[number].bytes, sizeof out->sha256);
    }
    return PLUMB_OK;
}

plumb_status plumb_manifest_line(const plumb_manifest *m, uint32_t number, char **line, size_t *n,
                                 plumb_error *err)
{
    plumb__bytes text = {0};
    plumb__hash leaf;
    *n = 0;
    *line = NULL;
    PLUMB_TRY(check_number(m, number, err));
    plumb_status status = plumb__record_file_line(&m->file, number, &text, &leaf, err);
    plumb__bytes_u8(&text, 0);
    if (status == PLUMB_OK) status = plumb__bytes_check(&text, err);
    if (status != PLUMB_OK) {
        plumb__bytes_free(&text);
        return status;
    }
    *line = (char *)text.data;
    *n = text.size - 1;
    return PLUMB_OK;
}

plumb_status plumb__manifest_leaf(const plumb_manifest *m, uint32_t number, plumb__hash *out,
                                  plumb_error *err)
{
    PLUMB_TRY(check_number(m, number, err));
    return plumb__record_file_line(&m->file, number, NULL, out, err);
}

uint32_t plumb_manifest_profile_count(const plumb_manifest *m)
{
    return m->taxonomy.texts.n;
}

const char *plumb_manifest_profile_text(const plumb_manifest *m, uint32_t profile)
{
    return profile < m->taxonomy.texts.n ? plumb__profile_text(m->taxonomy.profiles[profile])
                                         : NULL;
}

unsigned plumb_manifest_profile_varies(const plumb_manifest *m, uint32_t profile)
{
    if (profile >= m->taxonomy.texts.n) return 0;
    const plumb__profile *p = m->taxonomy.profiles[profile];
    return (plumb__profile_by_entropy(p) ? (unsigned)PLUMB_PROFILE_BY_ENTROPY : 0) |
           (plumb__profile_scheduled(p) ? (unsigned)PLUMB_PROFILE_SCHEDULED : 0);
}

double plumb_manifest_profile_mask_at(const plumb_manifest *m, uint32_t profile, plumb_band band,
                                      double progress, double depth, const char *layer)
{
    if (profile >= m->taxonomy.texts.n) return 0.0;
    return plumb__profile_at(m->taxonomy.profiles[profile], (unsigned)band, progress, depth, layer);
}

double plumb_manifest_profile_mask(const plumb_manifest *m, uint32_t profile, double depth,
                                   const char *layer)
{
    return plumb_manifest_profile_mask_at(m, profile, PLUMB_BAND_NONE, (double)NAN, depth, layer);
}

const plumb_segment *plumb_manifest_segments(const plumb_manifest *m, uint32_t number, uint32_t *n)
{
    *n = 0;
    return number < m->table.n ? plumb__table_segments(&m->table, number, n) : NULL;
}

double plumb_manifest_mask(const plumb_manifest *m, uint32_t number, int32_t segment, double depth,
                           const char *layer)
{
    if (number >= m->table.n) return 0.0;
    if (segment < 0) {
        const uint32_t profile = plumb__table_class(&m->table, number).profile;
        return plumb_manifest_profile_mask(m, profile, depth, layer);
    }
    uint32_t n;
    const plumb_segment *segments = plumb_manifest_segments(m, number, &n);
    if ((uint32_t)segment >= n) return 0.0;
    return plumb_manifest_profile_mask(m, segments[segment].profile, depth, layer);
}
