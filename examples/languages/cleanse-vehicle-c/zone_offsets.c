// From the time on a wall clock to its offset from UTC.

#include "zones.h"

enum { DAY = 86400 };

const struct zone *zone_of(mill_text name) {
    for (size_t at = 0; at < zones_count; at++) {
        if (mill_equal_ignoring_case(mill_text_of(zones[at].name), name)) return &zones[at];
    }
    return NULL;
}

static int64_t floored(int64_t value, int64_t by) { return value / by - (value % by < 0); }

// H. Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that the leap day comes
// last.
int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
    if (month <= 2) year--;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return 365 * year + floored(year, 4) - floored(year, 100) + floored(year, 400) + day_of_year - 719468;
}

static int64_t year_of(int64_t days) {
    int64_t year = 1970 + floored(days * 400, 146097);
    while (days_since_epoch(year, 1, 1) > days) year--;
    while (days_since_epoch(year + 1, 1, 1) <= days) year++;
    return year;
}

// The instant of a yearly change, on a clock that is `offset` ahead.
static int64_t change_in(int64_t year, struct yearly change, int32_t offset) {
    int64_t first = days_since_epoch(year, change.month, 1);
    int64_t next = change.month == 12 ? days_since_epoch(year + 1, 1, 1) : days_since_epoch(year, change.month + 1, 1);
    int64_t weekday = first + 4 - floored(first + 4, 7) * 7; // 1970-01-01 was a Thursday
    int64_t day = first + (change.weekday - weekday + 7) % 7 + 7 * (change.week - 1);
    if (day >= next) day -= 7;
    return day * DAY + change.seconds - offset;
}

static int32_t offset_by_rule(const struct rule *rule, int64_t instant) {
    if (rule->standard == rule->summer) return rule->standard;
    int64_t year = year_of(floored(instant + rule->standard, DAY));
    int64_t begin = change_in(year, rule->begin, rule->standard), end = change_in(year, rule->end, rule->summer);
    bool is_summer = begin < end ? begin <= instant && instant < end : !(end <= instant && instant < begin);
    return is_summer ? rule->summer : rule->standard;
}

static int32_t offset_at(const struct zone *zone, int64_t instant) {
    size_t low = 0, high = zone->count; // changes before `low` have been, those from `high` on have not
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->changes[middle].at <= instant) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == zone->count) return offset_by_rule(&zone->after, instant);
    return low == 0 ? zone->first : zone->changes[low - 1].offset;
}

// No zone changes its clocks twice within two days.
struct local offset_of(const struct zone *zone, int64_t wall) {
    int32_t before = offset_at(zone, wall - DAY), after = offset_at(zone, wall + DAY);
    bool was = offset_at(zone, wall - before) == before, will_be = offset_at(zone, wall - after) == after;
    if (before == after) return (struct local){before, false};
    return was != will_be ? (struct local){was ? before : after, false} : (struct local){before, true};
}
