/* Steps drawn from the counter-based generator (step_maker.h). */
#include "step_maker.h"

#include "base/half.h"
#include "base/plumb_random.h"

#include <math.h>
#include <string.h>

typedef struct source {
    uint64_t seed, stream, counter;
} source;

static double draw(source *s)
{
    return plumb_random_uniform(s->seed, s->stream, s->counter++);
}

static void make_edges(made_step *m, source *s, uint32_t n_uses)
{
    for (uint32_t e = 0; e < m->step.n_units * n_uses; e++) {
        const bool open = draw(s) < 0.6;
        m->mask[e] = open ? plumb__f16_round_down(0.1 + draw(s)) : 0;
        m->norm[e] = open ? plumb__norm16_round_up(draw(s) * 4.0) : 0;
        m->clip[e] = open && draw(s) < 0.5 ? plumb__f16_round_down(draw(s)) : PLUMB__F16_ONE;
        m->norm_kind[e] = open ? PLUMB__NORM_EXACT : PLUMB__NORM_NONE;
    }
}

static void make_units(made_step *m, source *s, uint32_t n_examples)
{
    for (uint32_t u = 0; u < m->step.n_units; u++) {
        m->example[u] = (int32_t)(draw(s) * (n_examples + 1)) - 1;
        m->segment[u] = (int32_t)(draw(s) * 4) - 2;
        m->micro_batch[u] = (uint16_t)(u % 2);
        m->rows[u] = (uint16_t)(1 + draw(s) * 200);
        m->unit_weight[u] = (float)draw(s);
        m->unit_loss[u] = (float)(draw(s) * 100);
        m->unit_entropy[u] = (float)draw(s);
        m->decision[u] = (uint8_t)(draw(s) * 3);
        m->reason[u] = (uint8_t)(draw(s) * 9);
        m->checked[u] = (uint8_t)(draw(s) * 2);
        m->band[u] = (uint8_t)(draw(s) * 4);
    }
}

static void point_columns(made_step *m)
{
    plumb__step *t = &m->step;
    t->example = m->example, t->segment = m->segment;
    t->micro_batch = m->micro_batch, t->rows = m->rows;
    t->unit_weight = m->unit_weight, t->unit_loss = m->unit_loss;
    t->unit_entropy = m->unit_entropy;
    t->decision = m->decision, t->reason = m->reason, t->checked = m->checked, t->band = m->band;
    t->norm = m->norm, t->mask = m->mask, t->clip = m->clip, t->norm_kind = m->norm_kind;
    t->nu = m->nu, t->budget = m->budget, t->spent = m->spent;
    t->contribution = m->contribution, t->live = m->live;
}

void make_random_step(made_step *m, uint64_t seed, uint32_t attempt, uint64_t number,
                      uint32_t n_uses, uint32_t n_examples)
{
    memset(m, 0, sizeof *m);
    source s = {seed, number * 16 + attempt, 0};
    plumb__step *t = &m->step;
    t->attempt = attempt;
    t->step = number;
    t->loss = draw(&s) * 5.0;
    t->lr = 1e-3 * draw(&s);
    t->normaliser = 1.0 + floor(draw(&s) * 1000);
    t->loss_scale = 1.0;
    t->fingerprint = (uint64_t)(draw(&s) * 1e18);
    t->micro_batches = 2;
    t->n_scalars = (uint32_t)(draw(&s) * 9);
    for (uint32_t i = 0; i < t->n_scalars; i++)
        t->scalars[i] = draw(&s);
    t->n_units = 1 + (uint32_t)(draw(&s) * MAKER_MAX_UNITS);
    t->units_declared = t->n_units + (uint32_t)(number % 3);
    t->n_uses = n_uses;
    make_units(m, &s, n_examples);
    make_edges(m, &s, n_uses);
    for (uint32_t k = 0; k < n_uses; k++) {
        m->nu[k] = 0.5 + draw(&s);
        m->budget[k] = draw(&s) < 0.5 ? INFINITY : draw(&s);
        m->spent[k] = draw(&s);
        m->contribution[k] = (float)draw(&s);
        m->live[k] = draw(&s) < 0.9;
    }
    point_columns(m);
}
