/* Questions to an open manifest. */
#include "base/alloc.h"
#include "manifest/files.h"
#include "manifest/manifest_object.h"
#include "manifest/merkle.h"

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
        .table_bytes = plumb__table_memory(&m->table),
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
    _Static_assert(PLUMB__INTERN_NONE == PLUMB_NO_RECORD, "one value for what is not there");
    return plumb__intern_find(&m->table.ids, id, strlen(id));
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
    const plumb__intern *strings = &m->table.strings;
    const plumb__class c = plumb__table_class(&m->table, number);
    out->rubric = plumb__intern_text(strings, c.rubric);
    out->domain = plumb__intern_text(strings, c.domain);
    out->source = plumb__intern_text(strings, c.source);
    out->template_name = plumb__intern_text(strings, c.template_name);
    out->component = plumb__intern_text(strings, c.component);
    out->consent = plumb__intern_text(strings, c.consent);
    out->licence = plumb__intern_text(strings, c.licence);
    out->marking = plumb__intern_text(strings, c.marking);
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
    out->id = plumb__intern_text(&t->ids, number);
    out->text = plumb__intern_text(&t->strings, t->text[number]);
    out->label = plumb__intern_text(&t->strings, t->label[number]);
    out->batch = plumb__intern_text(&t->strings, t->batch[number]);
    out->cohort = plumb__intern_text(&t->strings, t->cohort[number]);
    out->parent = plumb__intern_text(&t->strings, t->parent[number]);
    fill_class(m, number, out);
    const uint32_t set = t->annotators_of[number];
    out->annotators = t->annotators + t->annotator_start[set];
    out->n_annotators = t->annotator_start[set + 1] - t->annotator_start[set];
    out->quality = t->quality[number];
    const int64_t withdrawn_s = plumb__table_withdrawn_s(t, number);
    out->withdrawn = withdrawn_s != PLUMB__NOT_WITHDRAWN;
    out->withdrawn_s = out->withdrawn ? withdrawn_s : 0;
    out->n_segments = t->segment_start[number + 1] - t->segment_start[number];
    out->has_digest = t->content_bytes[number] != PLUMB__NO_CONTENT;
    if (out->has_digest) {
        out->content_bytes = t->content_bytes[number];
        memcpy(out->sha256, t->sha256[number].bytes, sizeof out->sha256);
    }
    return PLUMB_OK;
}

plumb_status plumb_manifest_line(const plumb_manifest *m, uint32_t number, char **line, size_t *n,
                                 plumb_error *err)
{
    *n = 0;
    *line = NULL;
    PLUMB_TRY(check_number(m, number, err));
    const uint64_t from = m->table.line_start[number], to = m->table.line_start[number + 1];
    PLUMB_TRY(plumb__memdup(line, m->records + from, (size_t)(to - from) - 1, err));
    *n = (size_t)(to - from) - 1;
    return PLUMB_OK;
}

plumb_status plumb__manifest_leaf(const plumb_manifest *m, uint32_t number, plumb__hash *out,
                                  plumb_error *err)
{
    char *line = NULL;
    size_t n;
    PLUMB_TRY(plumb_manifest_line(m, number, &line, &n, err));
    *out = plumb__merkle_leaf(line, n);
    plumb__free(line);
    return PLUMB_OK;
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
    if (number >= m->table.n) return NULL;
    *n = m->table.segment_start[number + 1] - m->table.segment_start[number];
    return *n > 0 ? m->table.segments + m->table.segment_start[number] : NULL;
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
