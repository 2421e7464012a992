// From the times that devices report to instants.

#ifndef TIMES_H
#define TIMES_H

#include "zones.h"

struct clock {
    const struct zone *zone; // of times without an offset
    bool refuses_changes;    // of the clocks; else the offset from before the change counts
    int64_t hour;            // the hour on the wall that was seen last, and its offset
    int64_t hour_offset;
    bool knows_hour;
};

// Microseconds since 1970 in UTC of an ISO-8601 date and time. Returns NULL, or why there is no instant.
const char *read_instant(struct clock *clock, mill_text text, int64_t *micros);

#endif
