/* What is checked before anything is read. HDF5 follows links, opens other files, loads plugins and
 * allocates what a file tells it to; so each of those is looked at through calls that do none of
 * it: links by their type before the object behind them is opened, storage and filters before the
 * data space (asking a virtual dataset for its space would open its sources), shapes before any
 * allocation. */
#include "provenance/h5_inspect.h"
#include "provenance/payload.h"

#include <stdio.h>
#include <string.h>

/* Deflate reaches at most 1032:1, so all datasets together cannot hold more than this times the
 * file. (Asking each for what it occupies would walk a chunk index that nobody has checked.) */
#define MAX_INFLATION UINT64_C(1100)
#define CLAIM_SLACK UINT64_C(4096)

typedef struct inspection {
    hid_t file;
    const char *path;
    const plumb__h5_types *types;
    plumb__h5_shape *shape;
    uint64_t file_bytes, claimed_bytes;
    plumb_error *err;
} inspection;

/* ---- links ---- */

/* HDF5 1.10 reads beyond its buffers where an object is said to lie outside the file. */
static bool inside_file(const inspection *in, const H5L_info_t *info)
{
#if H5_VERSION_GE(1, 12, 0)
    (void)in, (void)info; /* no address to be had; these versions check it */
    return true;
#else
    return info->u.address < in->file_bytes;
#endif
}

/* One link of the group being looked at (`group` NULL: of the root), before its object is opened.
 */
static plumb_status check_link(inspection *in, hid_t parent, const char *group, const char *name)
{
    const char *slash = group != NULL ? "/" : "", *above = group != NULL ? group : "";
    H5L_info_t info;
    if (H5Lexists(parent, name, H5P_DEFAULT) <= 0)
        return plumb__fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s%s%s is missing", in->path, above,
                           slash, name);
    if (H5Lget_info(parent, name, &info, H5P_DEFAULT) < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s%s%s cannot be read", in->path,
                              above, slash, name);
    if (info.type != H5L_TYPE_HARD)
        return plumb__fail(in->err, PLUMB_ERR_FORMAT,
                           "%s: /%s%s%s is a soft, external or user-defined link; only hard links "
                           "are read",
                           in->path, above, slash, name);
    if (!inside_file(in, &info))
        return plumb__fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s%s%s lies outside the file", in->path,
                           above, slash, name);
    const hid_t object = H5Oopen(parent, name, H5P_DEFAULT);
    if (object < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s%s%s cannot be opened", in->path,
                              above, slash, name);
    const H5I_type_t kind = H5Iget_type(object);
    H5Oclose(object);
    if (kind == (group == NULL ? H5I_GROUP : H5I_DATASET)) return PLUMB_OK;
    return plumb__fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s%s%s is not a %s", in->path, above, slash,
                       name, group == NULL ? "group" : "dataset");
}

/* How many links a group has. They are asked for by name and counted, never listed: what HDF5 1.10
 * makes of a damaged list, or of a damaged heap of a large group, it frees without having set it.
 */
static plumb_status count_links(inspection *in, hid_t parent, const char *group, size_t *n)
{
    H5G_info_t info;
    if (H5Gget_info(parent, &info) < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s cannot be read", in->path, group);
    if (info.storage_type != H5G_STORAGE_TYPE_COMPACT || info.nlinks > PLUMB__H5_MAX_LINKS)
        return plumb__fail(in->err, PLUMB_ERR_FORMAT,
                           "%s: /%s keeps its links in another form than Plumbline writes",
                           in->path, group);
    *n = (size_t)info.nlinks;
    return PLUMB_OK;
}

static plumb_status check_count(const inspection *in, const char *group, size_t found, size_t want)
{
    if (found == want) return PLUMB_OK;
    return plumb__fail(in->err, PLUMB_ERR_FORMAT,
                       "%s: /%s has %zu links, in a Plumbline graph it has %zu", in->path, group,
                       found, want);
}

/* The names of /statements are free: each is looked at when it is asked for. */
static plumb_status check_group(inspection *in, hid_t group, const char *name)
{
    size_t found = 0, want = 0;
    PLUMB_TRY(count_links(in, group, name, &found));
    if (strcmp(name, plumb__h5_groups[PLUMB__H5_STATEMENTS_GROUP].name) == 0) return PLUMB_OK;
    for (size_t id = 0; id < PLUMB__H5_COLUMN_COUNT; id++) {
        if (strcmp(plumb__h5_specs[id].group, name) != 0) continue;
        PLUMB_TRY(check_link(in, group, name, plumb__h5_specs[id].name));
        want++;
    }
    return check_count(in, name, found, want);
}

static plumb_status check_groups(inspection *in)
{
    size_t found = 0;
    PLUMB_TRY(count_links(in, in->file, "", &found));
    in->shape->whole =
        H5Lexists(in->file, plumb__h5_groups[PLUMB__H5_SEGMENT_GROUPS].name, H5P_DEFAULT) > 0;
    const size_t want = in->shape->whole ? PLUMB__H5_GROUPS : PLUMB__H5_SEGMENT_GROUPS;
    for (size_t i = 0; i < want; i++) {
        const char *name = plumb__h5_groups[i].name;
        PLUMB_TRY(check_link(in, in->file, NULL, name));
        const hid_t group = H5Gopen2(in->file, name, H5P_DEFAULT);
        if (group < 0)
            return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s cannot be opened", in->path,
                                  name);
        const plumb_status status = check_group(in, group, name);
        H5Gclose(group);
        PLUMB_TRY(status);
    }
    return check_count(in, "", found, want);
}

/* ---- one dataset ---- */

/* `refuse` returns from the checks of a dataset with its name in the message. */
static plumb_status refuse(const inspection *in, const char *group, const char *name,
                           const char *why)
{
    return plumb__fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s/%s %s", in->path, group, name, why);
}

static const char *filters_problem(hid_t plist)
{
    const int n = H5Pget_nfilters(plist);
    if (n < 0 || n > 3) return "has filters other than shuffle, deflate and fletcher32";
    for (unsigned i = 0; i < (unsigned)n; i++) {
        unsigned flags, config, values[8];
        size_t n_values = 8;
        const H5Z_filter_t id =
            H5Pget_filter2(plist, i, &flags, &n_values, values, 0, NULL, &config);
        if (id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_FLETCHER32)
            return "has filters other than shuffle, deflate and fletcher32";
    }
    return NULL;
}

/* NULL, or what is wrong with how the dataset is stored; *chunk_rows is set. */
static const char *storage_problem(hid_t plist, int rank, size_t element_bytes, size_t *chunk_rows)
{
    hsize_t chunk[2] = {0, 1};
    if (H5Pget_external_count(plist) != 0) return "has external storage";
    if (H5Pget_layout(plist) != H5D_CHUNKED) return "is not chunked";
    if (H5Pget_chunk(plist, rank, chunk) != rank) return "has chunks of another rank";
    const uint64_t cell = rank == 2 ? chunk[1] : 1;
    if (chunk[0] == 0 || cell == 0 || chunk[0] > PLUMB__H5_MAX_CHUNK_BYTES ||
        cell > PLUMB__H5_MAX_CHUNK_BYTES ||
        chunk[0] * cell * element_bytes > PLUMB__H5_MAX_CHUNK_BYTES)
        return "has chunks above 16 MiB";
    *chunk_rows = (size_t)chunk[0];
    return filters_problem(plist);
}

static bool string_type_fits(hid_t type, size_t max_bytes, size_t *element_bytes)
{
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return false;
    *element_bytes = H5Tget_size(type);
    return *element_bytes >= 1 && *element_bytes <= max_bytes &&
           H5Tget_cset(type) == H5T_CSET_UTF8 && H5Tget_strpad(type) == H5T_STR_NULLPAD;
}

static plumb_status check_type(inspection *in, plumb__h5_column *column, const char *name)
{
    const plumb__h5_spec *spec = column->spec;
    const hid_t type = H5Dget_type(column->dataset);
    bool fits = false;
    column->element_bytes = plumb__h5_type_bytes(spec->type);
    column->type = in->types->id[spec->type];
    if (type >= 0 && spec->type == PLUMB__H5_STRING)
        fits = string_type_fits(type, spec->max_string, &column->element_bytes);
    else if (type >= 0)
        fits = H5Tequal(type, column->type) > 0;
    if (type >= 0) H5Tclose(type);
    if (!fits) return refuse(in, spec->group, name, "has another type than schema 2 says");
    if (spec->type != PLUMB__H5_STRING) return PLUMB_OK;
    column->own_type = true;
    column->type = plumb__h5_string_type(column->element_bytes);
    if (column->type < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_IO, "%s: cannot make a string type", in->path);
    return PLUMB_OK;
}

static plumb_status check_shape(inspection *in, plumb__h5_column *column, const char *name)
{
    const plumb__h5_spec *spec = column->spec;
    const int rank = spec->width == PLUMB__H5_ONE ? 1 : 2;
    const hid_t space = H5Dget_space(column->dataset);
    hsize_t size[2] = {0, 1};
    const bool fits = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE &&
                      H5Sget_simple_extent_ndims(space) == rank &&
                      H5Sget_simple_extent_dims(space, size, NULL) == rank;
    if (space >= 0) H5Sclose(space);
    if (!fits || (rank == 2 && size[1] != column->width))
        return refuse(in, spec->group, name, "has another shape than schema 2 says");
    column->rows = size[0];
    /* rows below 2^33, a row below 2^20 bytes, some hundred datasets: the sum cannot wrap */
    if (size[0] > UINT64_C(1) << 33)
        return refuse(in, spec->group, name, "has more rows than any graph");
    in->claimed_bytes += size[0] * column->row_bytes;
    if (in->claimed_bytes / MAX_INFLATION > in->file_bytes + CLAIM_SLACK)
        return refuse(in, spec->group, name, "claims more rows than the file can hold");
    return PLUMB_OK;
}

static plumb_status check_dataset(inspection *in, plumb__h5_column *column, const char *name)
{
    const plumb__h5_spec *spec = column->spec;
    column->width = plumb__h5_width_of(spec->width, in->shape->n_uses);
    PLUMB_TRY(check_type(in, column, name));
    column->row_bytes = column->element_bytes * column->width;
    const hid_t plist = H5Dget_create_plist(column->dataset);
    if (plist < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: /%s/%s cannot be read", in->path,
                              spec->group, name);
    const char *problem = storage_problem(plist, spec->width == PLUMB__H5_ONE ? 1 : 2,
                                          column->element_bytes, &column->chunk_rows);
    H5Pclose(plist);
    if (problem != NULL) return refuse(in, spec->group, name, problem);
    return check_shape(in, column, name);
}

static plumb_status open_dataset(inspection *in, const plumb__h5_spec *spec, const char *name,
                                 plumb__h5_column *column)
{
    char full[192];
    snprintf(full, sizeof full, "/%s/%s", spec->group, name);
    column->spec = spec;
    column->path = in->path;
    column->dataset = H5Dopen2(in->file, full, H5P_DEFAULT);
    if (column->dataset < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: %s is missing or cannot be opened",
                              in->path, full);
    return check_dataset(in, column, name);
}

/* ---- all datasets ---- */

static uint64_t class_cap(plumb__h5_rows rows)
{
    switch (rows) {
    case PLUMB__H5_ROWS_LAYERS: return PLUMB__MAX_USES;
    case PLUMB__H5_ROWS_STEPS: return PLUMB__H5_MAX_STEPS;
    case PLUMB__H5_ROWS_UNITS:
    case PLUMB__H5_ROWS_KNOWN: return PLUMB__H5_MAX_UNITS;
    case PLUMB__H5_ROWS_SEGMENTS:
    case PLUMB__H5_ROWS_EXAMPLES: return PLUMB__H5_MAX_EXAMPLES;
    default: return PLUMB__H5_MAX_TEXTS;
    }
}

/* Rows of one class agree; the first dataset of a class says how many there are. */
static plumb_status check_rows(const inspection *in, const plumb__h5_column *column, bool *known)
{
    const plumb__h5_spec *spec = column->spec;
    if (spec->rows == PLUMB__H5_ROWS_OWN)
        return column->rows <= spec->max_rows
                   ? PLUMB_OK
                   : refuse(in, spec->group, spec->name, "has more rows than a graph may");
    if (column->rows < spec->extra)
        return refuse(in, spec->group, spec->name, "has fewer rows than it must");
    const uint64_t rows = column->rows - spec->extra;
    if (!known[spec->rows]) {
        known[spec->rows] = true;
        in->shape->rows[spec->rows] = rows;
        return rows <= class_cap(spec->rows)
                   ? PLUMB_OK
                   : refuse(in, spec->group, spec->name, "has more rows than a graph may");
    }
    return rows == in->shape->rows[spec->rows]
               ? PLUMB_OK
               : refuse(in, spec->group, spec->name,
                        "has not as many rows as the datasets beside it");
}

static plumb_status open_columns(inspection *in, plumb__h5_column *columns)
{
    bool known[PLUMB__H5_ROWS_COUNT] = {false};
    const size_t last = in->shape->whole ? PLUMB__H5_COLUMN_COUNT : PLUMB__H5_SEGMENT_COUNT;
    for (size_t id = 0; id < last; id++) {
        const plumb__h5_spec *spec = &plumb__h5_specs[id];
        PLUMB_TRY(open_dataset(in, spec, spec->name, &columns[id]));
        PLUMB_TRY(check_rows(in, &columns[id], known));
        if (id != PLUMB__H5_LAYERS_NAME) continue;
        in->shape->n_uses = (size_t)columns[id].rows;
        if (in->shape->n_uses == 0)
            return refuse(in, spec->group, spec->name,
                          "has no rows: a graph has at least one layer");
    }
    return PLUMB_OK;
}

/* ---- the root ---- */

/* Reads a scalar attribute of exactly this type; a string type's size bounds what is read. */
static bool read_attribute(hid_t object, const char *name, hid_t type, void *out)
{
    const hid_t attribute =
        H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : H5I_INVALID_HID;
    if (attribute < 0) return false;
    const hid_t found = H5Aget_type(attribute), space = H5Aget_space(attribute);
    const bool read = found >= 0 && space >= 0 && H5Tequal(found, type) > 0 &&
                      H5Sget_simple_extent_type(space) == H5S_SCALAR &&
                      H5Aread(attribute, type, out) >= 0;
    if (space >= 0) H5Sclose(space);
    if (found >= 0) H5Tclose(found);
    H5Aclose(attribute);
    return read;
}

static plumb_status check_root(const inspection *in)
{
    int32_t schema = 0;
    if (!read_attribute(in->file, "plumb_schema", H5T_STD_I32LE, &schema))
        return plumb__fail(in->err, PLUMB_ERR_FORMAT,
                           "%s is an HDF5 file, but no Plumbline graph: it has no plumb_schema",
                           in->path);
    if (schema != PLUMB__H5_SCHEMA)
        return plumb__fail(in->err, PLUMB_ERR_UNSUPPORTED,
                           "%s has schema %d, this version of Plumbline reads schema %d", in->path,
                           schema, PLUMB__H5_SCHEMA);
    const hid_t type = plumb__h5_string_type(32);
    const bool read = type >= 0 && read_attribute(in->file, "run_id", type, in->shape->run_id);
    if (type >= 0) H5Tclose(type);
    in->shape->run_id[32] = '\0';
    if (!read || strspn(in->shape->run_id, "0123456789abcdef") != 32)
        return plumb__fail(in->err, PLUMB_ERR_FORMAT, "%s: the run_id is not 32 hex digits",
                           in->path);
    return PLUMB_OK;
}

static plumb_status inspect(inspection *in, plumb__h5_column *columns)
{
    hsize_t bytes = 0;
    if (H5Fget_filesize(in->file, &bytes) < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_IO, "%s: cannot get its size", in->path);
    in->file_bytes = bytes;
    if (in->shape->file_bytes != 0 && in->shape->file_bytes != bytes)
        return plumb__fail(in->err, PLUMB_ERR_FORMAT, "%s has %llu bytes and says it has %llu",
                           in->path, (unsigned long long)in->shape->file_bytes,
                           (unsigned long long)bytes);
    PLUMB_TRY(check_root(in));
    PLUMB_TRY(check_groups(in));
    return open_columns(in, columns);
}

plumb_status plumb__h5_inspect(hid_t file, const char *path, const plumb__h5_types *types,
                               plumb__h5_column *columns, plumb__h5_shape *shape, plumb_error *err)
{
    *shape = (plumb__h5_shape){.file_bytes = shape->file_bytes};
    inspection in = {.file = file, .path = path, .types = types, .shape = shape, .err = err};
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    const plumb_status status = inspect(&in, columns);
    plumb__h5_leave(&guard);
    return status;
}

bool plumb__h5_statement_name_ok(const char *name)
{
    const size_t n = strlen(name);
    return n >= 1 && n <= 127 && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static plumb_status open_statement(inspection *in, const char *name, plumb__h5_column *column)
{
    char full[192];
    hsize_t bytes = 0;
    snprintf(full, sizeof full, "/statements/%s", name);
    if (H5Lexists(in->file, full, H5P_DEFAULT) <= 0)
        return plumb__fail(in->err, PLUMB_ERR_NOT_FOUND, "%s has no statement %s", in->path, name);
    if (H5Fget_filesize(in->file, &bytes) < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_IO, "%s: cannot get its size", in->path);
    in->file_bytes = bytes;
    const hid_t group = H5Gopen2(in->file, "/statements", H5P_DEFAULT);
    if (group < 0)
        return plumb__h5_fail(in->err, PLUMB_ERR_FORMAT, "%s: /statements cannot be opened",
                              in->path);
    const plumb_status status = check_link(in, group, "statements", name);
    H5Gclose(group);
    PLUMB_TRY(status);
    PLUMB_TRY(open_dataset(in, &plumb__h5_statement_spec, name, column));
    if (column->rows > PLUMB__H5_MAX_STATEMENT_BYTES)
        return refuse(in, "statements", name, "has more bytes than a statement may");
    return PLUMB_OK;
}

plumb_status plumb__h5_open_statement(hid_t file, const char *path, const plumb__h5_types *types,
                                      const char *name, plumb__h5_column *column, plumb_error *err)
{
    *column = (plumb__h5_column){0};
    if (!plumb__h5_statement_name_ok(name))
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s has no such statement", path);
    plumb__h5_shape shape = {0};
    inspection in = {.file = file, .path = path, .types = types, .shape = &shape, .err = err};
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    const plumb_status status = open_statement(&in, name, column);
    plumb__h5_leave(&guard);
    if (status != PLUMB_OK) plumb__h5_column_close(column);
    return status;
}
