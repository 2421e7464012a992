// ISO-8601: extended (2026-07-01T08:00:00.5+01:00) and basic (20260701T080000Z) forms with a date and a time of
// day. What is read, and what is not, stands in tests/times/texts for the host and all plugins.

#include "times.h"

static const char NOT_A_TIME[] = "`timestamp` is not an ISO-8601 time";
static const char OUT_OF_RANGE[] = "`timestamp` is out of range: not in the years 1 to 9999";
static const char CLOCK_CHANGE[] = "`timestamp` falls into a change of the clocks";

static const int64_t SECOND = 1000000;
static const int64_t HOUR = 3600;
static const int64_t FIRST = -62135596800000000, LAST = 253402300799999999; // the years 1 to 9999

// What is left of the text.
struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *text, char letter) {
    if (text->at == text->end || *text->at != letter) return false;
    text->at++;
    return true;
}

static bool is_digit(const struct cursor *text) { return text->at < text->end && *text->at >= '0' && *text->at <= '9'; }

static bool take_number(struct cursor *text, int digits, int64_t *number) {
    *number = 0;
    for (; digits > 0; digits--) {
        if (!is_digit(text)) return false;
        *number = *number * 10 + (*text->at++ - '0');
    }
    return true;
}

static int64_t days_of(int64_t year, int64_t month) {
    int64_t next = month == 12 ? days_since_epoch(year + 1, 1, 1) : days_since_epoch(year, month + 1, 1);
    return next - days_since_epoch(year, month, 1);
}

// YYYY-MM-DD or YYYYMMDD, with six digits of the year behind a sign.
static bool take_date(struct cursor *text, int64_t *days) {
    int64_t year, month, day;
    bool is_negative = take(text, '-'), is_long = is_negative || take(text, '+');
    if (!take_number(text, is_long ? 6 : 4, &year)) return false;
    if (year > 9999 || (is_negative && year == 0)) return false;
    if (is_negative) year = -year;
    bool is_extended = take(text, '-');
    if (!take_number(text, 2, &month) || (is_extended && !take(text, '-')) || !take_number(text, 2, &day)) return false;
    if (month < 1 || month > 12 || day < 1 || day > days_of(year, month)) return false;
    *days = days_since_epoch(year, month, day);
    return true;
}

// A fraction of a second, cut off at the microsecond.
static bool take_fraction(struct cursor *text, int64_t *micros) {
    *micros = 0;
    if (!take(text, '.') && !take(text, ',')) return true;
    if (!is_digit(text)) return false;
    for (int64_t unit = SECOND / 10; is_digit(text); unit /= 10) *micros += unit * (*text->at++ - '0');
    return true;
}

// HH, HH:MM, HHMM, HH:MM:SS or HHMMSS, the last two with a fraction.
static bool take_time(struct cursor *text, int64_t *micros) {
    int64_t hour, minute = 0, second = 0, fraction = 0;
    if (!take_number(text, 2, &hour)) return false;
    bool is_extended = take(text, ':');
    if (is_extended || is_digit(text)) {
        if (!take_number(text, 2, &minute)) return false;
        if (is_extended ? take(text, ':') : is_digit(text)) {
            if (!take_number(text, 2, &second) || !take_fraction(text, &fraction)) return false;
        }
    }
    if (hour > 23 || minute > 59 || second > 60) return false;
    if (second == 60) second = 59; // a leap second is read as the one before
    *micros = ((hour * 60 + minute) * 60 + second) * SECOND + fraction;
    return true;
}

// Z, ±HH, ±HHMM or ±HH:MM, up to the end of the text.
static bool take_offset(struct cursor *text, int64_t *seconds) {
    if (take(text, 'Z') || take(text, 'z')) {
        *seconds = 0;
        return text->at == text->end;
    }
    int64_t hours, minutes = 0;
    bool is_negative = take(text, '-');
    if (!is_negative && !take(text, '+')) return false;
    if (!take_number(text, 2, &hours)) return false;
    bool has_minutes = take(text, ':') || text->at < text->end;
    if (has_minutes && !take_number(text, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *seconds = (hours * 60 + minutes) * (is_negative ? -60 : 60);
    return text->at == text->end;
}

// The zone's offset, remembered for as long as times are of one hour that has one offset throughout.
static const char *zone_offset(struct clock *clock, int64_t wall, int64_t *offset) {
    int64_t hour = wall / HOUR - (wall % HOUR < 0);
    if (!clock->knows_hour || clock->hour != hour) {
        struct local first = offset_of(clock->zone, hour * HOUR), last = offset_of(clock->zone, hour * HOUR + HOUR - 1);
        clock->knows_hour = !first.is_ambiguous && !last.is_ambiguous && first.offset == last.offset;
        clock->hour = hour;
        clock->hour_offset = first.offset;
    }
    *offset = clock->hour_offset;
    if (clock->knows_hour) return NULL;
    struct local local = offset_of(clock->zone, wall);
    *offset = local.offset;
    return local.is_ambiguous && clock->refuses_changes ? CLOCK_CHANGE : NULL;
}

const char *read_instant(struct clock *clock, mill_text text, int64_t *micros) {
    text = mill_trim(text);
    struct cursor left = {text.data, text.data + text.length};
    int64_t days, time, offset;
    if (!take_date(&left, &days)) return NOT_A_TIME;
    if (!take(&left, 'T') && !take(&left, 't') && !take(&left, ' ')) return NOT_A_TIME;
    if (!take_time(&left, &time)) return NOT_A_TIME;
    int64_t wall = days * 24 * HOUR * SECOND + time;
    if (left.at == left.end) {
        const char *fault = zone_offset(clock, wall / SECOND - (wall % SECOND < 0), &offset);
        if (fault != NULL) return fault;
    } else if (!take_offset(&left, &offset)) {
        return NOT_A_TIME;
    }
    *micros = wall - offset * SECOND;
    return *micros < FIRST || *micros > LAST ? OUT_OF_RANGE : NULL;
}
