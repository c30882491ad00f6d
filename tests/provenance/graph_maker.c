/* Graphs and their manifest (graph_maker.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph_maker.h"
#include "step_maker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void graph_layers(plumb__layer_row *layers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        layers[i] = (plumb__layer_row){.depth = (double)i / (double)n,
                                       .rows = 64 + i,
                                       .cols = 32,
                                       .params = (64 + i) * 32,
                                       .n_uses = n > 1 && i < 2 ? 2 : 1};
        layers[i].use = n > 1 && i == 1;
        layers[i].weight = n > 1 && i > 0 ? (uint32_t)i - 1 : 0;
        snprintf(layers[i].name, sizeof layers[i].name, "block.%zu.w", i);
        snprintf(layers[i].kind, sizeof layers[i].kind, "linear");
    }
}

bool graph_superseded(uint64_t step)
{
    return step % 10 == 7;
}

plumb__h5_writer *graph_write(const char *path, uint64_t n, uint32_t n_uses)
{
    static const plumb__leaf_kind kinds[] = {PLUMB__LEAF_EVENT, PLUMB__LEAF_CHECKPOINT,
                                             PLUMB__LEAF_INVENTORY};
    plumb__layer_row layers[MAKER_MAX_USES];
    plumb__h5_writer *writer;
    graph_layers(layers, n_uses);
    assert_int_equal(plumb__h5_create(path, GRAPH_RUN_ID, layers, n_uses, &writer, NULL), PLUMB_OK);
    for (uint64_t i = 0; i < n; i++) {
        made_step made;
        make_random_step(&made, GRAPH_SEED, 1, i, n_uses, GRAPH_EXAMPLES);
        assert_int_equal(plumb__h5_add_step(writer, 2 * i + 2, (int64_t)i * 1000,
                                            graph_superseded(i), &made.step, NULL),
                         PLUMB_OK);
        if (i % 4 != 0) continue;
        char text[64];
        const int bytes = snprintf(text, sizeof text, "{\"kind\":\"event\",\"n\":%d}", (int)i);
        assert_int_equal(plumb__h5_add_text(writer, kinds[i % 3], 2 * i + 3, -(int64_t)i, text,
                                            (size_t)bytes, NULL),
                         PLUMB_OK);
    }
    return writer;
}

void graph_segment(const char *path, uint64_t n, uint32_t n_uses)
{
    plumb__h5_writer *writer = graph_write(path, n, n_uses);
    assert_int_equal(plumb__h5_close(writer, NULL), PLUMB_OK);
}

void graph_whole(const char *path, uint64_t n, uint32_t n_uses)
{
    const plumb_manifest manifest = {.records = GRAPH_EXAMPLES};
    const plumb__evidence statements[] = {
        {"certificates", GRAPH_CERTIFICATE, strlen(GRAPH_CERTIFICATE)},
        {"manifest.plumb.json", GRAPH_ENVELOPE, strlen(GRAPH_ENVELOPE)}};
    plumb_error err = {0};
    plumb__h5_writer *writer = graph_write(path, n, n_uses);
    if (plumb__h5_finish(writer, &manifest, statements, 2, &err) != PLUMB_OK)
        fail_msg("%s", err.message);
    assert_int_equal(plumb__h5_close(writer, &err), PLUMB_OK);
}

/* ---- the manifest ---- */

void graph_id(uint64_t i, char room[32])
{
    snprintf(room, 32, "ex:%llu", (unsigned long long)i * i);
}

const char *graph_cohort(uint64_t i)
{
    static const char *const cohorts[] = {"zürich", "北京", "", NULL};
    return cohorts[i % 4];
}

uint32_t graph_annotators(uint64_t i)
{
    return (uint32_t)(i % 3);
}

void plumb_manifest_describe(const plumb_manifest *m, plumb_manifest_info *info)
{
    info->records = m->records;
}

const char *plumb_manifest_profile_text(const plumb_manifest *m, uint32_t profile)
{
    (void)m;
    return profile == 0 ? "{\"band\":[0,1]}" : "{\"layers\":{}}";
}

/* Every fifth record has two segments, the second with annotators of its own. */
const plumb_segment *plumb_manifest_segments(const plumb_manifest *m, uint32_t i, uint32_t *n)
{
    static const char *const annotators[] = {"bob", "dan"};
    static const plumb_segment segments[] = {{.to = 4, .weight = 0.25, .component = "premise"},
                                             {.from = 1,
                                              .to = 2,
                                              .kind = PLUMB_SEGMENT_MESSAGE,
                                              .profile = 1,
                                              .weight = 0.75,
                                              .annotators = annotators,
                                              .n_annotators = 2}};
    (void)m;
    *n = i % 5 == 0 ? 2 : 0;
    return *n > 0 ? segments : NULL;
}

plumb_status plumb_manifest_record(const plumb_manifest *m, uint32_t i, plumb_record *out,
                                   plumb_error *err)
{
    static const char *const annotators[] = {"ann", "bob", "çem"};
    static _Thread_local char id[32], label[32];
    (void)err;
    graph_id(i, id);
    snprintf(label, sizeof label, "label %u", i % 7);
    *out = (plumb_record){.size = sizeof *out,
                          .version = 1,
                          .id = id,
                          .label = label,
                          .cohort = graph_cohort(i),
                          .profile = "{\"band\":[0,1]}",
                          .annotators = annotators + i % 2,
                          .n_annotators = graph_annotators(i),
                          .quality = i % 2 ? 0.5 : NAN,
                          .weight = 1,
                          .step_budget_nats = NAN,
                          .run_budget_nats = (double)i,
                          .has_digest = i % 2 == 1};
    if (i == 3 && m->long_label != NULL) out->label = m->long_label;
    memset(out->sha256, (int)i, sizeof out->sha256);
    return PLUMB_OK;
}
