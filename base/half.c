/* The 16-bit forms of the record. Both encodings are the upper bits of an IEEE double with another
 * exponent bias, so a conversion is a shift and a subtraction; only what is below the smallest
 * normal number takes another road. These run once per edge. */
#include "base/half.h"

#include <math.h>
#include <string.h>

#define NORM16_FIELD_SHIFT 44     /* 52 - 8 mantissa bits */
#define NORM16_REBIAS (960u << 8) /* (1023 - 63) in the exponent's place */
#define F16_FIELD_SHIFT 42        /* 52 - 10 */
#define F16_REBIAS (1008u << 10)  /* 1023 - 15 */

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t plumb__norm16_round_up(double value)
{
    /* Written so that NaN and infinity land here too: a norm that is not a number is never stored
     * as a small one. */
    if (!(value < 0x1.ffp63)) return PLUMB__NORM16_MAX;
    if (value >= 0x1p-62) {
        /* Adding all ones below the last kept bit rounds up; the carry may run into the exponent,
         * which is then exactly the next power of two. */
        const uint64_t up = bits_of(value) + ((UINT64_C(1) << NORM16_FIELD_SHIFT) - 1);
        return (uint16_t)((up >> NORM16_FIELD_SHIFT) - NORM16_REBIAS);
    }
    if (!(value > 0)) return 0;
    const double scaled = value * 0x1p70; /* exact, in (0, 256) */
    const uint32_t floor = (uint32_t)scaled;
    return (uint16_t)(floor + ((double)floor < scaled)); /* 256 is the smallest normal pattern */
}

double plumb__norm16_value(uint16_t bits)
{
    const uint32_t field = bits & 0x7fffu;
    const double sign = bits & 0x8000u ? -1.0 : 1.0;
    if (field > PLUMB__NORM16_MAX) return field == 0x7f00u ? sign * INFINITY : NAN;
    const double normal = double_of((uint64_t)(field + NORM16_REBIAS) << NORM16_FIELD_SHIFT);
    /* With exponent 0 that reads (1 + m/256) 2^-63; a subnormal is m/256 2^-62. */
    return sign * (field < 0x100u ? 2 * (normal - 0x1p-63) : normal);
}

uint16_t plumb__f16_round_down(double value)
{
    /* NaN and negative become 0: a mask or clip that is not a number lets nothing through. */
    if (!(value > 0)) return 0;
    if (value >= 65504.0) return 0x7bffu;
    if (value >= 0x1p-14) return (uint16_t)((bits_of(value) >> F16_FIELD_SHIFT) - F16_REBIAS);
    return (uint16_t)(uint32_t)(value * 0x1p24);
}

double plumb__f16_value(uint16_t bits)
{
    const uint32_t field = bits & 0x7fffu;
    const double sign = bits & 0x8000u ? -1.0 : 1.0;
    if (field >= 0x7c00u) return field == 0x7c00u ? sign * INFINITY : NAN;
    const double normal = double_of((uint64_t)(field + F16_REBIAS) << F16_FIELD_SHIFT);
    return sign * (field < 0x400u ? 2 * (normal - 0x1p-15) : normal);
}

float plumb__float_round_up(double value)
{
    const float nearest = (float)value;
    return (double)nearest < value ? nextafterf(nearest, INFINITY) : nearest;
}
