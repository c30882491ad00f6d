/* Philox4x32-10 and what is drawn from it. The counter is (counter, stream), the key is the seed;
 * low words first. */
#include "base/plumb_random.h"

#include <math.h>

#define ROUNDS 10
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u /* golden ratio */
#define WEYL_1 0xBB67AE85u /* sqrt(3) - 1 */
#define TWO_PI 6.283185307179586476925286766559

void plumb_random_block(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0;
        const uint64_t p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The upper 53 bits of two words, as an integer. */
static uint64_t bits53(uint32_t low, uint32_t high)
{
    return ((uint64_t)high << 32 | low) >> 11;
}

double plumb_random_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t words[4];
    plumb_random_block(seed, stream, counter, words);
    return (double)bits53(words[0], words[1]) * 0x1p-53;
}

double plumb_random_normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t words[4];
    plumb_random_block(seed, stream, counter, words);
    /* (0,1], so that the logarithm is finite. */
    const double u = (double)(bits53(words[0], words[1]) + 1) * 0x1p-53;
    const double v = (double)bits53(words[2], words[3]) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(TWO_PI * v);
}

/* A sequence of words: block after block of one stream. */
typedef struct word_source {
    uint64_t seed, stream, next_counter;
    uint32_t words[4];
    unsigned used;
} word_source;

static uint32_t next_word(word_source *s)
{
    if (s->used == 4) {
        plumb_random_block(s->seed, s->stream, s->next_counter++, s->words);
        s->used = 0;
    }
    return s->words[s->used++];
}

/* Uniform in 0..bound-1 without bias (Lemire, 2019): the upper half of word x bound, where the few
 * words that would make some results likelier are drawn again. */
static uint32_t draw_below(word_source *s, uint32_t bound)
{
    uint64_t product = (uint64_t)next_word(s) * bound;
    if ((uint32_t)product < bound) {
        const uint32_t threshold = (uint32_t)-bound % bound;
        while ((uint32_t)product < threshold)
            product = (uint64_t)next_word(s) * bound;
    }
    return (uint32_t)(product >> 32);
}

void plumb_random_permutation(uint64_t seed, uint64_t stream, uint32_t n, uint32_t *out)
{
    word_source source = {.seed = seed, .stream = stream, .used = 4};
    for (uint32_t i = 0; i < n; i++)
        out[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = draw_below(&source, i);
        const uint32_t t = out[i - 1];
        out[i - 1] = out[j];
        out[j] = t;
    }
}
