// Times are read as the host reads them (tests/times/texts, from the root of the repository), and clocks change as
// they do in their zones.

#include "times.h"
#include "fake_host.h"

static const char *read_in(const char *zone, bool refuses_changes, const char *text) {
    struct clock clock = {zone_of(mill_text_of(zone)), refuses_changes, 0, 0, false};
    int64_t micros = 0, again = 0;
    const char *fault = read_instant(&clock, mill_text_of(text), &micros);
    CHECK_THAT(read_instant(&clock, mill_text_of(text), &again) == fault && again == micros); // the hour is known now
    return fault != NULL ? fault : mill_format("%lld", (long long)micros).data;
}

static const char *shown(const char *found) {
    if (strstr(found, "not an ISO-8601 time") != NULL) return "not a time";
    return strstr(found, "out of range") != NULL ? "out of range" : found;
}

static void texts_are_read_as_the_host_reads_them(void) {
    FILE *file = fopen("tests/times/texts", "r");
    CHECK_THAT(file != NULL);
    char line[256];
    int lines = 0;
    for (CHECK_THAT(fgets(line, sizeof line, file) != NULL); fgets(line, sizeof line, file) != NULL; lines++) {
        char *expect = strchr(line, '|');
        *expect++ = 0;
        expect[strcspn(expect, "\n")] = 0;
        CHECK(shown(read_in("Europe/London", false, line)), expect);
    }
    CHECK_THAT(lines > 70);
    fclose(file);
}

static void clocks_change(void) {
    const char *both[] = {"2026-03-29T01:30:00", "2026-10-25T01:30:00"};
    for (size_t at = 0; at < 2; at++) {
        CHECK(read_in("Europe/London", true, both[at]), "`timestamp` falls into a change of the clocks");
    }
    CHECK(read_in("Europe/London", false, both[0]), "1774747800000000");
    CHECK(read_in("Europe/London", false, both[1]), "1792888200000000");
    CHECK(read_in("Europe/London", true, "2026-03-29T02:00:00"), "1774746000000000");
    CHECK(read_in("Europe/London", true, "2400-07-01T12:00:00"), read_in("UTC", true, "2400-07-01T11:00:00"));
    CHECK(read_in("America/New_York", true, "2026-07-01T12:00:00"), read_in("UTC", true, "2026-07-01T16:00:00"));
    CHECK(read_in("Australia/Sydney", true, "2060-01-01T12:00:00"), read_in("UTC", true, "2060-01-01T01:00:00"));
    CHECK(read_in("Asia/Kolkata", true, "2026-01-01T08:00:00"), read_in("UTC", true, "2026-01-01T02:30:00"));
    CHECK(read_in("Asia/Tokyo", true, "2026-01-01T08:00:00"), read_in("UTC", true, "2025-12-31T23:00:00"));
    CHECK_THAT(zone_of(MILL_TEXT("Mars/Olympus")) == NULL && zone_of(MILL_TEXT("utc")) != NULL);
}

int main(void) {
    texts_are_read_as_the_host_reads_them();
    clocks_change();
    return 0;
}
