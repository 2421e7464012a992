// Time zones: when their clocks are changed, and by what. The table in zones.c is written by zones.py.

#ifndef ZONES_H
#define ZONES_H

#include <millstream.h>

// From this instant on, local time is so far ahead of UTC; both in seconds.
struct change {
    int64_t at;
    int32_t offset;
};

// The `week`th (5: the last) `weekday` (0: Sunday) of a month, and seconds from its midnight.
struct yearly {
    int32_t month, week, weekday, seconds;
};

// What comes after the last change of the table: summer time between two dates of each year, or none.
struct rule {
    int32_t standard, summer;
    struct yearly begin, end;
};

struct zone {
    const char *name;
    int32_t first; // offset before the first change
    const struct change *changes;
    size_t count;
    struct rule after;
};

extern const struct zone zones[];
extern const size_t zones_count;

// NULL if the table has none of that name.
const struct zone *zone_of(mill_text name);

// What a wall clock of the zone means.
struct local {
    int32_t offset;    // that from before the change, if there are two or none
    bool is_ambiguous; // the time is left out or repeated by a change of the clocks
};
struct local offset_of(const struct zone *zone, int64_t wall_seconds);

// Days from 1970-01-01 in the Gregorian calendar.
int64_t days_since_epoch(int64_t year, int64_t month, int64_t day);

#endif
