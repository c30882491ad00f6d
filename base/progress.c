/* The text of a progress line; where it goes is the caller's business. */
#include "base/plumb_log.h"

#include <stdio.h>
#include <string.h>

#define BAR_CELLS 10u

/* "[=====>    ]": the arrow is the cell in work; full means done. */
static void draw_bar(char bar[BAR_CELLS + 1], double fraction)
{
    const unsigned full = (unsigned)(fraction * BAR_CELLS);
    for (unsigned i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[BAR_CELLS] = '\0';
}

/* "0:31", "12:05", "1:02:03". */
static void format_duration(char *out, size_t size, double seconds)
{
    const uint64_t s = seconds < 359999.0 ? (uint64_t)(seconds + 0.5) : 359999;
    const unsigned h = (unsigned)(s / 3600), m = (unsigned)(s / 60 % 60), rest = (unsigned)(s % 60);
    if (h > 0)
        (void)snprintf(out, size, "%u:%02u:%02u", h, m, rest);
    else
        (void)snprintf(out, size, "%u:%02u", m, rest);
}

/* About three digits, whatever the size. */
static void format_rate(char *out, size_t size, double rate)
{
    if (rate >= 1e6)
        (void)snprintf(out, size, "%.1fM/s", rate / 1e6);
    else if (rate >= 1e4)
        (void)snprintf(out, size, "%.1fk/s", rate / 1e3);
    else
        (void)snprintf(out, size, rate < 1 ? "%.3f/s" : "%.1f/s", rate);
}

size_t plumb_progress_line(char *out, size_t size, const char *unit_name, uint64_t done,
                           uint64_t total, double elapsed_s)
{
    char rate_text[32], time_text[32], bar[BAR_CELLS + 1];
    if (size == 0) return 0;
    if (!(elapsed_s > 0)) elapsed_s = 0; /* NaN too */
    const double rate = elapsed_s > 0 ? (double)done / elapsed_s : 0;
    format_rate(rate_text, sizeof rate_text, rate);
    if (total == 0) {
        format_duration(time_text, sizeof time_text, elapsed_s);
        (void)snprintf(out, size, "%llu %s  %s  %s", (unsigned long long)done, unit_name, rate_text,
                       time_text);
        return strlen(out);
    }
    if (done > total) done = total;
    const double fraction = (double)done / (double)total;
    draw_bar(bar, fraction);
    if (rate > 0)
        format_duration(time_text, sizeof time_text, (double)(total - done) / rate);
    else
        (void)snprintf(time_text, sizeof time_text, "-:--");
    (void)snprintf(out, size, "[%s] %3u %%  %llu/%llu %s  %s  %s left", bar,
                   (unsigned)(fraction * 100), (unsigned long long)done, (unsigned long long)total,
                   unit_name, rate_text, time_text);
    return strlen(out);
}
