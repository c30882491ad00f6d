/* The Croissant 1.1 description of a manifest: metadata beside the records file, so that loaders of
 * data sets find the records, check their digest and see who made each label. The vocabulary is
 * fixed; what varies is which fields the records have. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "manifest/plumb_import.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char context_text[] =
    "{\"@language\":\"en\",\"@vocab\":\"https://schema.org/\",\"annotation\":\"cr:annotation\","
    "\"arrayShape\":\"cr:arrayShape\",\"citeAs\":\"cr:citeAs\",\"column\":\"cr:column\","
    "\"conformsTo\":\"dct:conformsTo\",\"containedIn\":\"cr:containedIn\","
    "\"cr\":\"http://mlcommons.org/croissant/\",\"data\":{\"@id\":\"cr:data\",\"@type\":\"@json\"},"
    "\"dataType\":{\"@id\":\"cr:dataType\",\"@type\":\"@vocab\"},"
    "\"dct\":\"http://purl.org/dc/terms/\",\"description\":{\"@container\":\"@language\"},"
    "\"equivalentProperty\":\"cr:equivalentProperty\","
    "\"examples\":{\"@id\":\"cr:examples\",\"@type\":\"@json\"},\"extract\":\"cr:extract\","
    "\"field\":\"cr:field\",\"fileObject\":\"cr:fileObject\",\"fileProperty\":\"cr:fileProperty\","
    "\"fileSet\":\"cr:fileSet\",\"format\":\"cr:format\",\"includes\":\"cr:includes\","
    "\"isArray\":\"cr:isArray\",\"isLiveDataset\":\"cr:isLiveDataset\","
    "\"jsonPath\":\"cr:jsonPath\",\"key\":\"cr:key\",\"md5\":\"cr:md5\","
    "\"name\":{\"@container\":\"@language\"},\"parentField\":\"cr:parentField\","
    "\"path\":\"cr:path\",\"prov\":\"http://www.w3.org/ns/prov#\","
    "\"rai\":\"http://mlcommons.org/croissant/RAI/\",\"recordSet\":\"cr:recordSet\","
    "\"references\":\"cr:references\",\"regex\":\"cr:regex\",\"repeated\":\"cr:repeated\","
    "\"replace\":\"cr:replace\",\"samplingRate\":\"cr:samplingRate\","
    "\"sc\":\"https://schema.org/\",\"separator\":\"cr:separator\",\"source\":\"cr:source\","
    "\"subField\":\"cr:subField\",\"transform\":\"cr:transform\"}";

/* The fields that a loader can use as columns; what is nested stays in the records file. */
typedef struct column {
    const char *name, *type, *description;
    bool list;
} column;

static const column columns[] = {
    {"id", "sc:Text", "Identifier, unique in the data set", false},
    {"text", "sc:Text", "The example's text", false},
    {"label", "sc:Text", "The consensus label", false},
    {"annotators", "sc:Text", "Pseudonyms of those who annotated the record", true},
    {"label_annotators", "sc:Text", "Those of them whose own annotation is the label", true},
    {"rubric", "sc:Text", "The rubric that the label follows, name@version", false},
    {"domain", "sc:Text", "Subject domain", false},
    {"batch", "sc:Text", "Task batch", false},
    {"cohort", "sc:Text", "Group of annotators", false},
    {"source", "sc:Text", "Who made the label: human, model, human+model", false},
    {"quality", "sc:Float", "Quality of the label, 0 to 1", false},
    {"weight", "sc:Float", "Weight of the record's loss", false},
    {"licence", "sc:Text", "Licence of the record", false},
    {"marking", "sc:Text", "Protective marking", false},
    {"parent", "sc:Text", "The task that the record is part of", false},
    {"template", "sc:Text", "Decomposition template, name@version", false},
    {"component", "sc:Text", "Component of the parent's template", false},
};
enum { ID = 0, LABEL = 2, ANNOTATORS = 3, LABEL_ANNOTATORS = 4 };
enum { COLUMNS = sizeof columns / sizeof *columns };

typedef struct survey {
    bool has[COLUMNS];
    bool unknown, disputed; /* a label whose annotations are not kept; one that is not all theirs */
    json_t *licences;       /* object: each licence once */
} survey;

static bool fits(const column *c, const json_t *value)
{
    if (c->list) return json_is_array(value);
    return strcmp(c->type, "sc:Float") == 0 ? json_is_number(value) : json_is_string(value);
}

/* Whether the record's annotations show that all its annotators gave its label. */
static void look_at_label(const json_t *record, survey *s)
{
    const json_t *annotations = json_object_get(record, "annotations");
    const json_t *label = json_object_get(record, "label");
    const json_t *annotators = json_object_get(record, "annotators");
    json_t *gave = json_object();
    size_t labels = 0, others = 0;
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        const json_t *one = json_array_get(annotations, i), *said = json_object_get(one, "label");
        const char *who = json_string_value(json_object_get(one, "annotator"));
        if (who == NULL || said == NULL) continue;
        labels++;
        others += !json_equal(said, label);
        json_object_set_new(gave, who, json_true());
    }
    if (json_is_string(label) && json_is_array(annotators)) {
        s->unknown |= labels == 0;
        s->disputed |=
            others > 0 || (labels > 0 && json_object_size(gave) < json_array_size(annotators));
    }
    json_decref(gave);
}

static plumb_status look(const plumb_manifest *m, uint32_t number, survey *s, plumb_error *err)
{
    char *line = NULL;
    size_t n = 0;
    PLUMB_TRY(plumb_manifest_line(m, number, &line, &n, err));
    json_t *record = json_loadb(line, n, 0, NULL);
    plumb_text_free(line);
    for (int i = 0; i < COLUMNS; i++)
        s->has[i] = s->has[i] || fits(&columns[i], json_object_get(record, columns[i].name));
    look_at_label(record, s);
    const char *licence = json_string_value(json_object_get(record, "licence"));
    if (licence != NULL) json_object_set_new(s->licences, licence, json_true());
    json_decref(record);
    return PLUMB_OK;
}

/* ---- parts ---- */

/* An SPDX identifier as the address of its text, which Croissant asks for; else as it is. */
static json_t *licence_of(const char *name)
{
    char url[300];
    const bool spdx = strlen(name) < 100 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                         "abcdefghijklmnopqrstuvwxyz"
                                                         "0123456789.-+") == strlen(name);
    snprintf(url, sizeof url, "https://spdx.org/licenses/%.200s", name);
    return json_string(spdx ? url : name);
}

static json_t *licences(const survey *s)
{
    json_t *list = json_array();
    const char *name;
    const json_t *unused;
    json_object_foreach(s->licences, name, unused)
    {
        json_array_append_new(list, licence_of(name));
    }
    if (json_array_size(list) == 0) json_array_append_new(list, json_string("not stated"));
    return list;
}

static json_t *source_of(const char *name)
{
    return json_pack("{s:{s:s},s:{s:s}}", "fileObject", "@id", "records-file", "extract", "column",
                     name);
}

static json_t *field_of(const column *c, const char *id)
{
    char full[200];
    snprintf(full, sizeof full, "records/%s", id);
    json_t *field =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "@type", "cr:Field", "@id", full, "name", id,
                  "description", c->description, "dataType", c->type, "source", source_of(c->name));
    if (c->list) json_object_set_new(field, "isArray", json_true());
    return field;
}

/* Who a label (or, without one, a record) comes from, row by row, as Croissant 1.1 states it. */
static void attribute(json_t *field, const column *to)
{
    char id[64];
    snprintf(id, sizeof id, "label/%s", to->name);
    json_t *who = field_of(to, id);
    json_object_set_new(who, "dataType", json_pack("[s,s]", "sc:Text", "prov:Agent"));
    json_object_set_new(who, "equivalentProperty", json_string("prov:wasAttributedTo"));
    json_object_set_new(field, "annotation", who);
}

/* A label is attributed to those who gave it themselves, and to nobody where annotators who said
 * otherwise could not be told from them. */
static void attribute_label(const survey *s, json_t *field)
{
    const char *what =
        "The consensus label; not attributed, for annotators may have said otherwise";
    if (s->has[LABEL_ANNOTATORS]) {
        attribute(field, &columns[LABEL_ANNOTATORS]);
        what = "The consensus label, attributed to those whose own annotation it is";
    } else if (s->has[ANNOTATORS] && !s->disputed) {
        attribute(field, &columns[ANNOTATORS]);
        what = s->unknown ? "A consensus label, attributed to its annotators together: what each "
                            "of them said is not known"
                          : "The label that all its annotators gave";
    }
    if (s->has[ANNOTATORS]) json_object_set_new(field, "description", json_string(what));
    json_object_set_new(field, "dataType", json_pack("[s,s]", "sc:Text", "cr:Label"));
}

static json_t *record_set(const survey *s)
{
    json_t *fields = json_array();
    for (int i = 0; i < COLUMNS; i++) {
        if (!s->has[i]) continue;
        json_t *field = field_of(&columns[i], columns[i].name);
        if (i == LABEL) attribute_label(s, field);
        if (i == ID && !s->has[LABEL] && s->has[ANNOTATORS]) attribute(field, &columns[ANNOTATORS]);
        json_array_append_new(fields, field);
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:{s:s},s:o}", "@type", "cr:RecordSet", "@id", "records",
                     "name", "records", "description",
                     "One record a line of the signed records file", "key", "@id", "records/id",
                     "field", fields);
}

static json_t *file_object(const char *id, const char *name, const char *format, const char *sha256,
                           uint64_t bytes)
{
    char size[40];
    snprintf(size, sizeof size, "%" PRIu64 " B", bytes);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "@type", "cr:FileObject", "@id", id, "name",
                     name, "contentUrl", name, "contentSize", size, "encodingFormat", format,
                     "sha256", sha256);
}

/* ---- the whole ---- */

typedef struct description {
    plumb_manifest_info info;
    survey seen;
    char records[PLUMB__PATH_BYTES], envelope[PLUMB__PATH_BYTES]; /* names without folder */
    char records_sha256[PLUMB__HASH_HEX_BYTES], envelope_sha256[PLUMB__HASH_HEX_BYTES];
    uint64_t records_bytes, envelope_bytes;
} description;

/* What the signed statement says about the records file. */
static plumb_status read_statement(const plumb_manifest *m, description *d, plumb_error *err)
{
    size_t n = 0;
    const char *text = plumb_manifest_statement(m, &n);
    json_t *statement = NULL;
    PLUMB_TRY(plumb__json_parse("the signed statement", text, n, &statement, err));
    const json_t *subject = json_array_get(json_object_get(statement, "subject"), 0);
    const json_t *predicate = json_object_get(statement, "predicate");
    const char *sha256 =
        json_string_value(json_object_get(json_object_get(subject, "digest"), "sha256"));
    snprintf(d->records_sha256, sizeof d->records_sha256, "%s", sha256 ? sha256 : "");
    d->records_bytes = (uint64_t)json_integer_value(
        json_object_get(json_object_get(predicate, "records"), "bytes"));
    json_decref(statement);
    return PLUMB_OK;
}

/* The envelope as it was opened, and the names of both files. */
static plumb_status read_files(const char *envelope_path, description *d, plumb_error *err)
{
    static const char suffix[] = ".plumb.json";
    const char *slash = strrchr(envelope_path, '/');
    const char *name = slash ? slash + 1 : envelope_path;
    const size_t n = strlen(name), end = sizeof suffix - 1;
    plumb__hash blake2b, sha256;
    char hex[PLUMB__HASH_HEX_BYTES];
    if (n <= end || strcmp(name + n - end, suffix) != 0 || n >= sizeof d->envelope) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: the envelope must be named NAME%s",
                           envelope_path, suffix);
    }
    snprintf(d->envelope, sizeof d->envelope, "%s", name);
    snprintf(d->records, sizeof d->records, "%.*s.jsonl", (int)(n - end), name);
    PLUMB_TRY(plumb__hash_file(envelope_path, &blake2b, &sha256, &d->envelope_bytes, err));
    plumb__hash_hex(&blake2b, hex);
    plumb__hash_hex(&sha256, d->envelope_sha256);
    if (strcmp(hex, d->info.envelope_digest) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: has changed since it was opened", envelope_path);
}

static json_t *describe(const description *d)
{
    char name[256], version[32], date[16] = "", url[300], text[400], cite[500];
    const plumb_manifest_info *i = &d->info;
    const time_t issued = (time_t)i->issued_s;
    struct tm tm = {0};
    if (gmtime_r(&issued, &tm) != NULL) (void)strftime(date, sizeof date, "%Y-%m-%d", &tm);
    snprintf(name, sizeof name, "%s-%s", i->vendor, i->dataset);
    snprintf(version, sizeof version, "%" PRIu64 ".0.0", i->manifest_version);
    snprintf(url, sizeof url, "urn:plumbline:manifest:%s:%s:%" PRIu64, i->vendor, i->dataset,
             i->manifest_version);
    snprintf(text, sizeof text,
             "%" PRIu64 " annotated records of %s/%s, version %" PRIu64
             ", with a signed Plumbline manifest (%.100s)",
             i->records, i->vendor, i->dataset, i->manifest_version, d->envelope);
    snprintf(cite, sizeof cite,
             "%s/%s version %" PRIu64 ", signed statement BLAKE2b-256 %s, records tree root %s",
             i->vendor, i->dataset, i->manifest_version, i->statement_digest, i->root_hex);
    return json_pack("{s:o,s:s,s:s,s:s,s:s,s:o,s:s,s:{s:s,s:s},s:s,s:s,s:s,s:[o,o],s:[o]}",
                     "@context", json_loads(context_text, 0, NULL), "@type", "sc:Dataset", "name",
                     name, "conformsTo", "http://mlcommons.org/croissant/1.1", "description", text,
                     "license", licences(&d->seen), "url", url, "creator", "@type",
                     "sc:Organization", "name", i->vendor, "datePublished", date, "version",
                     version, "citeAs", cite, "distribution",
                     file_object("records-file", d->records, "application/jsonlines",
                                 d->records_sha256, d->records_bytes),
                     file_object("manifest-envelope", d->envelope, "application/json",
                                 d->envelope_sha256, d->envelope_bytes),
                     "recordSet", record_set(&d->seen));
}

/* path, or croissant.json in the folder that path is; beside the envelope either way. */
static plumb_status output_path(const char *envelope_path, const char *path, char *out,
                                plumb_error *err)
{
    struct stat st;
    char a[PLUMB__PATH_BYTES], b[PLUMB__PATH_BYTES];
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        PLUMB_TRY(plumb__path_join(out, path, "croissant.json", err));
    } else {
        snprintf(out, PLUMB__PATH_BYTES, "%s", path);
    }
    snprintf(a, sizeof a, "%s", envelope_path);
    snprintf(b, sizeof b, "%s", out);
    struct stat from, to;
    const bool both = stat(dirname(a), &from) == 0 && stat(dirname(b), &to) == 0;
    if (both && from.st_dev == to.st_dev && from.st_ino == to.st_ino) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                       "%s: the metadata must lie in the folder of %s, whose files it names", out,
                       envelope_path);
}

plumb_status plumb_export_croissant(const plumb_manifest *manifest, const char *envelope_path,
                                    const char *path, plumb_error *err)
{
    char out[PLUMB__PATH_BYTES];
    plumb__bytes text = {0};
    json_t *whole = NULL;
    description *d = NULL;
    plumb_status status;
    PLUMB_TRY(output_path(envelope_path, path, out, err));
    PLUMB_TRY(plumb__alloc(&d, 1, sizeof *d, "a description", err));
    d->seen.licences = json_object();
    d->info.size = sizeof d->info;
    plumb_manifest_describe(manifest, &d->info);
    PLUMB_TRY_CLEAN(read_statement(manifest, d, err));
    PLUMB_TRY_CLEAN(read_files(envelope_path, d, err));
    for (uint32_t i = 0; i < d->info.records; i++)
        PLUMB_TRY_CLEAN(look(manifest, i, &d->seen, err));
    whole = describe(d);
    if (whole == NULL) {
        status = plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for %s", out);
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(plumb__json_dump(whole, &text, err));
    plumb__bytes_u8(&text, '\n');
    PLUMB_TRY_CLEAN(plumb__bytes_check(&text, err));
    PLUMB_TRY_CLEAN(plumb__file_create(out, text.data, text.size, 0644, err));
cleanup:
    plumb__bytes_free(&text);
    json_decref(whole);
    json_decref(d->seen.licences);
    plumb__free(d);
    return status;
}
