/* Clocks and RFC 3339 in UTC, independent of locale and time zone. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_PER_DAY 86400

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for the two clocks used here */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t plumb__monotonic_ns(void)
{
    return (uint64_t)clock_ns(CLOCK_MONOTONIC);
}

int64_t plumb__wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t plumb__wall_s(void)
{
    return plumb__wall_ns() / 1000000000;
}

void plumb__time_format(int64_t unix_s, char out[21])
{
    const int64_t first = -62167219200, last = 253402300799; /* years 0000 and 9999 */
    if (unix_s < first) unix_s = first;
    if (unix_s > last) unix_s = last;
    const time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &tm) != 20) {
        /* glibc writes years below 1000 without their zeros. */
        char wide[64];
        (void)snprintf(wide, sizeof wide, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        memcpy(out, wide, 20);
        out[20] = '\0';
    }
}

static bool digits(const char *text, size_t n, int *value)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *value = *value * 10 + (text[i] - '0');
    }
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that the
 * leap day is the last day of a year and month lengths follow (153 m + 2) / 5. */
static int64_t days_from_civil(int year, int month, int day)
{
    const int64_t y = year - (month <= 2);
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t year_of_era = y - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

bool plumb__time_parse(const char *text, int64_t *unix_s)
{
    const size_t length = strlen(text);
    int year, month, day, hour = 0, minute = 0, second = 0;
    if (length != 10 && length != 20) return false;
    if (!digits(text, 4, &year) || text[4] != '-' || !digits(text + 5, 2, &month) ||
        text[7] != '-' || !digits(text + 8, 2, &day))
        return false;
    if (length == 20 && (text[10] != 'T' || !digits(text + 11, 2, &hour) || text[13] != ':' ||
                         !digits(text + 14, 2, &minute) || text[16] != ':' ||
                         !digits(text + 17, 2, &second) || text[19] != 'Z'))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
    if (hour > 23 || minute > 59 || second > 59) return false;
    *unix_s = days_from_civil(year, month, day) * SECONDS_PER_DAY + (int64_t)hour * 3600 +
              (int64_t)minute * 60 + second;
    return true;
}
