/* Opening a graph: the structure is inspected (h5_inspect.c) before the small tables are loaded:
 * layers, the rows of /steps, texts. Steps are read by h5_steps.c, examples by
 * h5_reader_examples.c.
 *
 * A reader belongs to one thread at a time; several readers may be used by several threads. */
#include "provenance/h5_reader.h"
#include "base/alloc.h"
#include "base/text.h"
#include "provenance/h5_reader_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLAB_BYTES ((size_t)1 << 20)

/* ---- helpers for all parts ---- */

plumb_status plumb__h5_refuse(const plumb__h5_reader *r, size_t id, const char *why,
                              plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: /%s/%s %s", r->path, plumb__h5_specs[id].group,
                       plumb__h5_specs[id].name, why);
}

plumb_status plumb__h5_load(plumb__h5_reader *r, size_t id, void *out_pointer, plumb_error *err)
{
    const plumb__h5_column *column = &r->columns[id];
    void *data = NULL;
    PLUMB_TRY(
        plumb__alloc(&data, (size_t)column->rows, column->row_bytes, "a column of the graph", err));
    const plumb_status status = plumb__h5_column_read(column, 0, column->rows, data, err);
    if (status != PLUMB_OK) {
        plumb__free(data);
        return status;
    }
    memcpy(out_pointer, &data, sizeof data);
    return PLUMB_OK;
}

plumb_status plumb__h5_check_offsets(const plumb__h5_reader *r, size_t id, const uint64_t *offsets,
                                     uint64_t n, uint64_t end, plumb_error *err)
{
    bool fits = offsets[0] == 0 && offsets[n] == end;
    for (uint64_t i = 0; i < n && fits; i++)
        fits = offsets[i] <= offsets[i + 1];
    return fits
               ? PLUMB_OK
               : plumb__h5_refuse(r, id, "does not rise from 0 to the end of what it divides", err);
}

/* Appends n cells of a slab, without the padding behind each. */
static plumb_status pack_strings(plumb__h5_reader *r, size_t id, const char *slab, size_t n,
                                 plumb__bytes *out, plumb_error *err)
{
    const size_t cell = r->columns[id].element_bytes;
    for (size_t i = 0; i < n; i++) {
        const char *text = slab + i * cell;
        const size_t length = strnlen(text, cell);
        if (!plumb__utf8_valid(text, length, NULL))
            return plumb__h5_refuse(r, id, "holds a string that is not UTF-8", err);
        plumb__bytes_append(out, text, length);
        plumb__bytes_u8(out, 0);
    }
    return plumb__bytes_check(out, err);
}

static plumb_status pack_column(plumb__h5_reader *r, size_t id, plumb__bytes *out, plumb_error *err)
{
    const plumb__h5_column *column = &r->columns[id];
    const size_t slab_rows = SLAB_BYTES / column->row_bytes + 1;
    char *slab = NULL;
    PLUMB_TRY(plumb__alloc(&slab, slab_rows, column->row_bytes, "strings of the graph", err));
    plumb_status status = PLUMB_OK;
    for (uint64_t first = 0; first < column->rows && status == PLUMB_OK; first += slab_rows) {
        const uint64_t left = column->rows - first;
        const size_t n = left < slab_rows ? (size_t)left : slab_rows;
        status = plumb__h5_column_read(column, first, n, slab, err);
        if (status == PLUMB_OK) status = pack_strings(r, id, slab, n, out, err);
    }
    plumb__free(slab);
    return status;
}

plumb_status plumb__h5_load_strings(plumb__h5_reader *r, size_t id, plumb__h5_strings *strings,
                                    plumb_error *err)
{
    plumb__bytes packed = {0};
    const size_t n = (size_t)r->columns[id].rows;
    plumb_status status = pack_column(r, id, &packed, err);
    if (status == PLUMB_OK) status = plumb__memdup(&strings->bytes, packed.data, packed.size, err);
    plumb__bytes_free(&packed);
    if (status == PLUMB_OK)
        status = plumb__alloc(&strings->at, n, sizeof *strings->at, "strings of the graph", err);
    if (status != PLUMB_OK) {
        plumb__h5_strings_free(strings);
        return status;
    }
    strings->n = n;
    const char *next = strings->bytes;
    for (size_t i = 0; i < n; i++) {
        strings->at[i] = next;
        next += strlen(next) + 1;
    }
    return PLUMB_OK;
}

void plumb__h5_strings_free(plumb__h5_strings *strings)
{
    plumb__free(strings->at);
    plumb__free(strings->bytes);
    *strings = (plumb__h5_strings){0};
}

/* ---- /layers ---- */

/* Copies one column into a field of every row. */
static plumb_status scatter(plumb__h5_reader *r, size_t id, void *rows, size_t stride,
                            plumb_error *err)
{
    const plumb__h5_column *column = &r->columns[id];
    const size_t slab_rows = SLAB_BYTES / column->row_bytes + 1;
    uint8_t *slab = NULL;
    PLUMB_TRY(plumb__alloc(&slab, slab_rows, column->row_bytes, "a column of the graph", err));
    plumb_status status = PLUMB_OK;
    for (uint64_t first = 0; first < column->rows && status == PLUMB_OK; first += slab_rows) {
        const uint64_t left = column->rows - first;
        const size_t n = left < slab_rows ? (size_t)left : slab_rows;
        status = plumb__h5_column_read(column, first, n, slab, err);
        for (size_t i = 0; i < n && status == PLUMB_OK; i++)
            memcpy((uint8_t *)rows + (first + i) * stride, slab + i * column->row_bytes,
                   column->row_bytes);
    }
    plumb__free(slab);
    return status;
}

static plumb_status check_layer(const plumb__h5_reader *r, const plumb__layer_row *layer,
                                uint32_t *uses_seen, plumb_error *err)
{
    if (!plumb__utf8_valid(layer->name, strlen(layer->name), NULL) ||
        !plumb__utf8_valid(layer->kind, strlen(layer->kind), NULL))
        return plumb__h5_refuse(r, PLUMB__H5_LAYERS_NAME,
                                "or kind holds a string that is not UTF-8", err);
    if (!(layer->depth >= 0 && layer->depth <= 1))
        return plumb__h5_refuse(r, PLUMB__H5_LAYERS_DEPTH, "holds a depth outside 0..1", err);
    if (layer->weight >= r->shape.n_uses)
        return plumb__h5_refuse(r, PLUMB__H5_LAYERS_WEIGHT, "holds a number above the rows", err);
    /* the uses of a weight come in order, 0 first */
    if (layer->n_uses == 0 || layer->use >= layer->n_uses ||
        layer->use != uses_seen[layer->weight]++)
        return plumb__h5_refuse(r, PLUMB__H5_LAYERS_USE, "does not number the uses of each weight",
                                err);
    return PLUMB_OK;
}

static plumb_status check_layers(const plumb__h5_reader *r, plumb_error *err)
{
    const size_t n = r->shape.n_uses;
    uint32_t *seen = NULL;
    PLUMB_TRY(plumb__alloc(&seen, n, sizeof *seen, "the layer table", err));
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < n && status == PLUMB_OK; i++)
        status = check_layer(r, &r->layers[i], seen, err);
    for (size_t i = 0; i < n && status == PLUMB_OK; i++) {
        if (seen[r->layers[i].weight] != r->layers[i].n_uses)
            status = plumb__h5_refuse(r, PLUMB__H5_LAYERS_N_USES,
                                      "counts other uses than there are", err);
    }
    plumb__free(seen);
    return status;
}

static plumb_status load_layers(plumb__h5_reader *r, plumb_error *err)
{
    static const size_t field[] = {
        offsetof(plumb__layer_row, name),   offsetof(plumb__layer_row, kind),
        offsetof(plumb__layer_row, depth),  offsetof(plumb__layer_row, rows),
        offsetof(plumb__layer_row, cols),   offsetof(plumb__layer_row, params),
        offsetof(plumb__layer_row, weight), offsetof(plumb__layer_row, use),
        offsetof(plumb__layer_row, n_uses)};
    PLUMB_TRY(plumb__alloc(&r->layers, r->shape.n_uses, sizeof *r->layers, "the layer table", err));
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        PLUMB_TRY(scatter(r, PLUMB__H5_LAYERS_NAME + i, (uint8_t *)r->layers + field[i],
                          sizeof *r->layers, err));
    return check_layers(r, err);
}

/* ---- /steps ---- */

static plumb_status check_steps(const plumb__h5_reader *r, plumb_error *err)
{
    const plumb__h5_step_row *s = r->steps;
    uint64_t row = 0;
    for (uint64_t i = 0; i < r->shape.rows[PLUMB__H5_ROWS_STEPS]; i++) {
        if (i > 0 && s[i].leaf <= s[i - 1].leaf)
            return plumb__h5_refuse(r, PLUMB__H5_STEPS_LEAF, "does not rise", err);
        if (s[i].units > PLUMB__MAX_UNITS_PER_STEP ||
            (uint64_t)s[i].units * r->shape.n_uses > PLUMB__H5_MAX_STEP_EDGES)
            return plumb__h5_refuse(r, PLUMB__H5_STEPS_UNITS, "has a step of too many units", err);
        if (!plumb__step_declares(s[i].units_declared, s[i].units))
            return plumb__h5_refuse(r, PLUMB__H5_STEPS_UNITS_DECLARED,
                                    "has a step that declares fewer units than it has, or too many",
                                    err);
        if (s[i].first_row != row)
            return plumb__h5_refuse(r, PLUMB__H5_STEPS_FIRST_ROW,
                                    "is not the sum of the units before", err);
        row += s[i].units;
    }
    if (row != r->shape.rows[PLUMB__H5_ROWS_UNITS])
        return plumb__h5_refuse(r, PLUMB__H5_STEPS_UNITS, "does not add up to the rows of /units",
                                err);
    return PLUMB_OK;
}

static plumb_status load_steps(plumb__h5_reader *r, plumb_error *err)
{
    static const struct {
        size_t id, field;
    } parts[] = {{PLUMB__H5_STEPS_LEAF, offsetof(plumb__h5_step_row, leaf)},
                 {PLUMB__H5_STEPS_STEP, offsetof(plumb__h5_step_row, step)},
                 {PLUMB__H5_STEPS_FIRST_ROW, offsetof(plumb__h5_step_row, first_row)},
                 {PLUMB__H5_STEPS_TIME, offsetof(plumb__h5_step_row, time_ns)},
                 {PLUMB__H5_STEPS_ATTEMPT, offsetof(plumb__h5_step_row, attempt)},
                 {PLUMB__H5_STEPS_UNITS, offsetof(plumb__h5_step_row, units)},
                 {PLUMB__H5_STEPS_UNITS_DECLARED, offsetof(plumb__h5_step_row, units_declared)},
                 {PLUMB__H5_STEPS_LOSS, offsetof(plumb__h5_step_row, loss)},
                 {PLUMB__H5_STEPS_LR, offsetof(plumb__h5_step_row, lr)}};
    const size_t n = (size_t)r->shape.rows[PLUMB__H5_ROWS_STEPS];
    PLUMB_TRY(plumb__alloc(&r->steps, n, sizeof *r->steps, "the steps of the graph", err));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        PLUMB_TRY(
            scatter(r, parts[i].id, (uint8_t *)r->steps + parts[i].field, sizeof *r->steps, err));
    /* the one field whose byte on disk is no C value yet: a bool may only be 0 or 1 */
    uint8_t *superseded = NULL;
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_STEPS_SUPERSEDED, &superseded, err));
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < n; i++) {
        if (superseded[i] > 1)
            status =
                plumb__h5_refuse(r, PLUMB__H5_STEPS_SUPERSEDED, "holds more than 0 and 1", err);
        r->steps[i].superseded = superseded[i] == 1;
    }
    plumb__free(superseded);
    PLUMB_TRY(status);
    return check_steps(r, err);
}

/* ---- texts ---- */

static bool kind_fits(size_t group, uint8_t kind)
{
    switch (group) {
    case 0:
        return kind == PLUMB__LEAF_RUN || kind == PLUMB__LEAF_EVENT || kind == PLUMB__LEAF_REWIND;
    case 1: return kind == PLUMB__LEAF_CHECKPOINT;
    case 2: return kind == PLUMB__LEAF_INVENTORY;
    default: return kind == PLUMB__LEAF_DECISION;
    }
}

/* Rows of one group into r->texts behind those that are there. */
static plumb_status append_texts(plumb__h5_reader *r, size_t group, const uint64_t *leaf,
                                 const int64_t *time_ns, const uint8_t *kind,
                                 const uint64_t *offset, plumb_error *err)
{
    const size_t base = PLUMB__H5_TEXTS + group * PLUMB__H5_TEXT_COLUMNS;
    const size_t n = (size_t)r->columns[base].rows;
    PLUMB_TRY(plumb__h5_check_offsets(r, base + PLUMB__H5_TEXT_OFFSET, offset, n,
                                      r->columns[base + PLUMB__H5_TEXT_PAYLOAD].rows, err));
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && leaf[i] <= leaf[i - 1])
            return plumb__h5_refuse(r, base + PLUMB__H5_TEXT_LEAF, "does not rise", err);
        if (!kind_fits(group, kind[i]))
            return plumb__h5_refuse(r, base + PLUMB__H5_TEXT_KIND, "holds a kind of another group",
                                    err);
        r->texts[r->n_texts++] = (plumb__h5_text){.kind = (plumb__leaf_kind)kind[i],
                                                  .leaf = leaf[i],
                                                  .time_ns = time_ns[i],
                                                  .payload = r->text_bytes[group] + offset[i],
                                                  .n = (size_t)(offset[i + 1] - offset[i])};
    }
    return PLUMB_OK;
}

static plumb_status load_text_group(plumb__h5_reader *r, size_t group, plumb_error *err)
{
    const size_t base = PLUMB__H5_TEXTS + group * PLUMB__H5_TEXT_COLUMNS;
    uint64_t *leaf = NULL, *offset = NULL;
    int64_t *time_ns = NULL;
    uint8_t *kind = NULL;
    plumb_status status;
    PLUMB_TRY_CLEAN(plumb__h5_load(r, base + PLUMB__H5_TEXT_LEAF, &leaf, err));
    PLUMB_TRY_CLEAN(plumb__h5_load(r, base + PLUMB__H5_TEXT_TIME, &time_ns, err));
    PLUMB_TRY_CLEAN(plumb__h5_load(r, base + PLUMB__H5_TEXT_KIND, &kind, err));
    PLUMB_TRY_CLEAN(plumb__h5_load(r, base + PLUMB__H5_TEXT_OFFSET, &offset, err));
    PLUMB_TRY_CLEAN(plumb__h5_load(r, base + PLUMB__H5_TEXT_PAYLOAD, &r->text_bytes[group], err));
    status = append_texts(r, group, leaf, time_ns, kind, offset, err);
cleanup:
    plumb__free(offset);
    plumb__free(kind);
    plumb__free(time_ns);
    plumb__free(leaf);
    return status;
}

static int by_leaf(const void *a, const void *b)
{
    const uint64_t x = ((const plumb__h5_text *)a)->leaf, y = ((const plumb__h5_text *)b)->leaf;
    return (x > y) - (x < y);
}

static plumb_status load_texts(plumb__h5_reader *r, plumb_error *err)
{
    size_t n = 0;
    for (size_t g = 0; g < PLUMB__H5_TEXT_GROUPS; g++)
        n += (size_t)r->columns[PLUMB__H5_TEXTS + g * PLUMB__H5_TEXT_COLUMNS].rows;
    PLUMB_TRY(plumb__alloc(&r->texts, n, sizeof *r->texts, "the texts of the graph", err));
    for (size_t g = 0; g < PLUMB__H5_TEXT_GROUPS; g++)
        PLUMB_TRY(load_text_group(r, g, err));
    qsort(r->texts, n, sizeof *r->texts, by_leaf);
    for (size_t i = 1; i < n; i++) {
        if (r->texts[i].leaf == r->texts[i - 1].leaf)
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: leaf %llu is there twice", r->path,
                               (unsigned long long)r->texts[i].leaf);
    }
    return PLUMB_OK;
}

/* ---- opening ---- */

/* O_NONBLOCK: a FIFO in the place of a graph must not hold us up. */
static plumb_status open_device(plumb__h5_reader *r, plumb_error *err)
{
    struct stat info;
    r->device.fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->device.fd < 0 || fstat(r->device.fd, &info) != 0)
        return plumb__fail_errno(err, "cannot open %s", r->path);
    if (!S_ISREG(info.st_mode))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s is not a regular file", r->path);
    r->device.size = r->shape.file_bytes = (uint64_t)info.st_size;
    return PLUMB_OK;
}

static plumb_status open_file(plumb__h5_reader *r, plumb_error *err)
{
    PLUMB_TRY(open_device(r, err));
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    const hid_t access = plumb__h5_device_access(&r->device);
    plumb_status status = PLUMB_OK;
    if (access >= 0) r->file = H5Fopen(r->path, H5F_ACC_RDONLY, access);
    if (r->file <= 0)
        status = plumb__h5_fail(err, PLUMB_ERR_FORMAT, "%s cannot be opened as HDF5", r->path);
    if (access >= 0) H5Pclose(access);
    plumb__h5_leave(&guard);
    return status;
}

static plumb_status load(plumb__h5_reader *r, plumb_error *err)
{
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    const plumb_status status = plumb__h5_types_create(&r->types, err);
    plumb__h5_leave(&guard);
    PLUMB_TRY(status);
    PLUMB_TRY(plumb__h5_inspect(r->file, r->path, &r->types, r->columns, &r->shape, err));
    PLUMB_TRY(load_layers(r, err));
    PLUMB_TRY(load_steps(r, err));
    return load_texts(r, err);
}

static plumb_status open_or_attach(hid_t file, const char *path, plumb__h5_reader **reader,
                                   plumb_error *err)
{
    *reader = NULL;
    if (strlen(path) >= PLUMB__PATH_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "the path is longer than %d bytes: %s",
                           PLUMB__PATH_BYTES - 1, path);
    plumb__h5_reader *r;
    PLUMB_TRY(plumb__alloc(&r, 1, sizeof *r, "a graph reader", err));
    memcpy(r->path, path, strlen(path) + 1);
    r->device.fd = -1;
    r->file = file;
    r->own_file = file <= 0;
    plumb_status status = r->own_file ? open_file(r, err) : PLUMB_OK;
    if (status == PLUMB_OK) status = load(r, err);
    if (status == PLUMB_OK)
        *reader = r;
    else
        plumb__h5_reader_free(r);
    return status;
}

plumb_status plumb__h5_open(const char *path, plumb__h5_reader **reader, plumb_error *err)
{
    return open_or_attach(0, path, reader, err);
}

plumb_status plumb__h5_reader_attach(hid_t file, const char *path, plumb__h5_reader **reader,
                                     plumb_error *err)
{
    /* The inspection holds what a file claims against its size on disk, so all of it must be there.
     */
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb_status status = PLUMB_OK;
    if (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0)
        status = plumb__h5_fail(err, PLUMB_ERR_IO, "%s cannot be written out", path);
    plumb__h5_leave(&guard);
    PLUMB_TRY(status);
    return open_or_attach(file, path, reader, err);
}

void plumb__h5_reader_free(plumb__h5_reader *r)
{
    if (r == NULL) return;
    for (size_t id = 0; id < PLUMB__H5_COLUMN_COUNT; id++)
        plumb__h5_column_close(&r->columns[id]);
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb__h5_types_close(&r->types);
    if (r->own_file && r->file > 0) H5Fclose(r->file);
    plumb__h5_leave(&guard);
    if (r->device.fd >= 0) close(r->device.fd);
    plumb__h5_reader_free_examples(r);
    plumb__h5_block_free(&r->block);
    for (size_t g = 0; g < PLUMB__H5_TEXT_GROUPS; g++)
        plumb__free(r->text_bytes[g]);
    plumb__free(r->texts);
    plumb__free(r->steps);
    plumb__free(r->layers);
    plumb__free(r);
}

/* ---- what is loaded ---- */

const char *plumb__h5_run_id(const plumb__h5_reader *r)
{
    return r->shape.run_id;
}

size_t plumb__h5_layer_count(const plumb__h5_reader *r)
{
    return r->shape.n_uses;
}

const plumb__layer_row *plumb__h5_layers(const plumb__h5_reader *r)
{
    return r->layers;
}

uint64_t plumb__h5_step_count(const plumb__h5_reader *r)
{
    return r->shape.rows[PLUMB__H5_ROWS_STEPS];
}

uint64_t plumb__h5_unit_count(const plumb__h5_reader *r)
{
    return r->shape.rows[PLUMB__H5_ROWS_UNITS];
}

const plumb__h5_step_row *plumb__h5_steps(const plumb__h5_reader *r)
{
    return r->steps;
}

size_t plumb__h5_text_count(const plumb__h5_reader *r)
{
    return r->n_texts;
}

const plumb__h5_text *plumb__h5_texts(const plumb__h5_reader *r)
{
    return r->texts;
}
