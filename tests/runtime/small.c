#include "small.h"

#include <string.h>

const char small_records[] =
    "{\"id\":\"a\",\"content\":{\"sha256\":"
    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"bytes\":3},"
    "\"depth\":{\"band\":[0,1]}}\n"
    "{\"id\":\"b\",\"content\":{\"sha256\":"
    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"bytes\":3},"
    "\"depth\":{\"band\":[0.1,0.2]},\"weight\":0.5}\n";

void small_open_config(small *s, const char *policy)
{
    world_open(&s->w, small_records, policy);
    s->run = world_run(&s->w);
    s->up = add_layer(s->run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    s->bias = add_layer(s->run, "bias", PLUMB_BIAS, 1, 3, PLUMB_AT_HEAD, 0);
    s->v[0] = (toy_visit){.layer = s->up, .kind = PLUMB_LINEAR, .in = 4, .out = 3};
    s->v[1] = (toy_visit){.layer = s->bias, .kind = PLUMB_BIAS, .out = 3};
}

void small_open(small *s, const char *policy)
{
    plumb_error err;
    small_open_config(s, policy);
    must(plumb_run_start(s->run, &err), &err);
}

void small_close(small *s)
{
    toy_free(&s->v[0]);
    toy_free(&s->v[1]);
    plumb_run_free(s->run);
    world_close(&s->w);
}

plumb_step_info small_step_info(uint64_t step, uint32_t micro, uint32_t units)
{
    plumb_step_info info;
    plumb_step_info_default(&info);
    info.step = step;
    info.micro_batches = micro;
    info.units = units;
    return info;
}

void small_begin(small *s, uint64_t step, uint32_t micro, uint32_t units)
{
    plumb_error err;
    const plumb_step_info info = small_step_info(step, micro, units);
    must(plumb_step_begin(s->run, &info, &err), &err);
}

plumb_unit small_unit(const char *id, uint64_t first, uint64_t rows)
{
    return (plumb_unit){.id = id, .segment = PLUMB_WHOLE, .first_row = first, .rows = rows};
}

void small_visit(small *s, const plumb_unit *units, size_t n, uint64_t rows, uint64_t seed)
{
    plumb_error err;
    toy_batch b = {.n = n, .rows = rows};
    double weight[TOY_MAX_UNITS];
    memcpy(b.units, units, n * sizeof *units);
    for (size_t u = 0; u < n; u++)
        weight[u] = (double)s->run->columns.weight[u];
    for (size_t i = 0; i < 2; i++) {
        toy_draw(&s->v[i], &b, weight, NULL, 1.0, seed + i);
        must(toy_grad(s->run, &s->v[i], &err), &err);
    }
}

void small_finish(small *s)
{
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    must(plumb_step_decide(s->run, &live, &err), &err);
    must(plumb_step_commit(s->run, &update, &err), &err);
}
