// Cleanses the vehicle stream, as plugins/cleanse-vehicle does in Rust: rows that cannot be true become dead
// letters, the rest is brought to one spelling, one unit and one clock. The rules stand in the order in which
// they are tried; a reason names column and rule, never a value.

#include "times.h"
#include "words.h"
#include <math.h>
#include <string.h>

// ---- The projection ----

struct vehicle {
    mill_nullable_text reported_at; // ISO-8601, with or without an offset
    mill_timestamp instant;
    mill_nullable_timestamp received_at;
    mill_nullable_bool in_future;
    mill_nullable_double latitude, longitude; // degrees
    mill_nullable_double lat, lon;            // the same, in fields of their own
    mill_nullable_text position;              // both as one text
    mill_nullable_double speed;               // read in the configured unit, written in km/h
    mill_nullable_double bearing;             // degrees from north
    mill_nullable_text direction, make, model, fuel_type;
};

static const mill_column columns[] = {
    MILL_COLUMN(struct vehicle, reported_at, "timestamp", MILL_READ),
    MILL_COLUMN(struct vehicle, instant, "timestamp", MILL_NEW),
    MILL_COLUMN(struct vehicle, received_at, "_timestamp", MILL_READ),
    MILL_COLUMN(struct vehicle, in_future, "timestamp_in_future", MILL_NEW),
    MILL_COLUMN(struct vehicle, latitude, "location.lat", MILL_WRITE),
    MILL_COLUMN(struct vehicle, longitude, "location.lon", MILL_WRITE),
    MILL_COLUMN(struct vehicle, lat, "lat", MILL_READ | MILL_OPTIONAL | MILL_DROP),
    MILL_COLUMN(struct vehicle, lon, "lon", MILL_READ | MILL_OPTIONAL | MILL_DROP),
    MILL_COLUMN(struct vehicle, position, "location.text", MILL_READ | MILL_OPTIONAL | MILL_DROP),
    MILL_COLUMN(struct vehicle, speed, "speed", MILL_WRITE),
    MILL_COLUMN(struct vehicle, bearing, "bearing", MILL_READ | MILL_OPTIONAL),
    MILL_COLUMN(struct vehicle, direction, "direction", MILL_WRITE),
    MILL_COLUMN(struct vehicle, make, "make", MILL_WRITE),
    MILL_COLUMN(struct vehicle, model, "model", MILL_WRITE),
    MILL_COLUMN(struct vehicle, fuel_type, "fuelType", MILL_WRITE),
};

// ---- The configuration ----

enum { KEEP, REJECT };       // null_island, unknown_words
enum { COMPATIBLE, REFUSE }; // clock_change
static const double KMH[] = {1, 1.609344, 3.6}; // by speed_unit

struct config {
    mill_text zone;
    int clock_change, null_island, speed_unit, unknown_words;
    double future_max_seconds, speed_max_kmh;
    mill_pairs spellings;
    // What follows from them.
    struct clock clock;
    int64_t future_max_micros;
};

static const mill_setting settings[] = {
    MILL_SETTING(struct config, zone, "zone", .example = "\"Europe/London\"",
                 .description = "IANA time zone of timestamps without an offset"),
    MILL_SETTING(struct config, clock_change, "clock_change", .fallback = "\"compatible\"",
                 .choices = MILL_CHOICES("compatible", "reject"),
                 .description = "local times that a change of the clocks leaves out or repeats: take the offset "
                                "from before the change, or reject the row"),
    MILL_SETTING(struct config, future_max_seconds, "future_max_seconds", .fallback = "300",
                 .description = "timestamps more than this later than their message are flagged in "
                                "`timestamp_in_future`"),
    MILL_SETTING(struct config, null_island, "null_island", .fallback = "\"reject\"",
                 .choices = MILL_CHOICES("keep", "reject"), .description = "rows at exactly 0, 0"),
    MILL_SETTING(struct config, speed_unit, "speed_unit", .fallback = "\"km/h\"",
                 .choices = MILL_CHOICES("km/h", "mph", "m/s"),
                 .description = "unit of the speeds that arrive; km/h is written"),
    MILL_SETTING(struct config, speed_max_kmh, "speed_max_kmh", .fallback = "300",
                 .description = "rows above are rejected"),
    MILL_SETTING(struct config, spellings, "spellings", .fallback = "{}",
                 .description = "spellings of fuel types and directions, and the words they mean"),
    MILL_SETTING(struct config, unknown_words, "unknown_words", .fallback = "\"keep\"",
                 .choices = MILL_CHOICES("keep", "reject"),
                 .description = "fuel types and directions that are not known"),
};

static void check_zone(struct config *config, mill_problems *problems) {
    config->clock = (struct clock){zone_of(config->zone), config->clock_change == REFUSE, 0, 0, false};
    if (config->clock.zone != NULL) return;
    const char *name = mill_format("%.*s", (int)config->zone.length, config->zone.data).data;
    if (strchr(name, '/') == NULL) {
        mill_problem(problems, "zone", "no time zone is called `%s`: write an IANA name as `Europe/London`", name);
    } else {
        mill_problem(problems, "zone", "time zone `%s` is not built into this plugin: add it to zones.py", name);
    }
}

static void configure(void *from, mill_problems *problems) {
    struct config *config = from;
    check_zone(config, problems);
    double micros = config->future_max_seconds * 1e6;
    if (!(config->future_max_seconds >= 0)) {
        mill_problem(problems, "future_max_seconds", "%g is no bound: write a number, 0 or above",
                     config->future_max_seconds);
    }
    config->future_max_micros = micros < 9e18 ? (int64_t)micros : INT64_MAX;
    if (!(config->speed_max_kmh > 0)) {
        mill_problem(problems, "speed_max_kmh", "%g is no maximum: write a number above 0", config->speed_max_kmh);
    }
    for (size_t at = 0; at < config->spellings.count; at++) {
        const mill_pair *pair = &config->spellings.pairs[at];
        if (word_of(fuel_types, pair->value).data != NULL || word_of(directions, pair->value).data != NULL) continue;
        mill_problem(problems, mill_format("spellings.%s", pair->key.data).data,
                     "`%s` is not a word that this plugin knows: write one that it writes", pair->value.data);
    }
}

// ---- The rules: each returns NULL, or why the reading cannot be true ----

static const char *check_time(struct config *config, struct vehicle *vehicle) {
    if (!vehicle->reported_at.valid) return "`timestamp` is missing";
    int64_t instant, latest;
    const char *fault = read_instant(&config->clock, vehicle->reported_at.value, &instant);
    if (fault != NULL) return fault;
    vehicle->instant.micros = instant;
    bool is_endless = __builtin_add_overflow(vehicle->received_at.value.micros, config->future_max_micros, &latest);
    vehicle->in_future = (mill_nullable_bool){vehicle->received_at.valid, !is_endless && instant > latest};
    return NULL;
}

// `LAT, LON`, in square brackets or not.
static bool parse_position(mill_text text, double *latitude, double *longitude) {
    text = mill_trim(text);
    if (text.length > 0 && *text.data == '[') {
        if (text.data[text.length - 1] != ']') return false;
        text = (mill_text){text.data + 1, text.length - 2};
    }
    const char *comma = text.length > 0 ? memchr(text.data, ',', text.length) : NULL;
    if (comma == NULL) return false;
    size_t before = (size_t)(comma - text.data);
    mill_text north = {text.data, before}, east = {comma + 1, text.length - before - 1};
    return mill_parse_double(mill_trim(north), latitude) && mill_parse_double(mill_trim(east), longitude);
}

// The first of location, fields and text that is whole: half of one and half of another would be a place where
// nobody was.
static const char *find_position(const struct vehicle *vehicle, double *latitude, double *longitude) {
    bool has_location = vehicle->latitude.valid && vehicle->longitude.valid;
    if (has_location || (vehicle->lat.valid && vehicle->lon.valid)) {
        *latitude = has_location ? vehicle->latitude.value : vehicle->lat.value;
        *longitude = has_location ? vehicle->longitude.value : vehicle->lon.value;
        return NULL;
    }
    if (vehicle->position.valid) {
        bool is_one = parse_position(vehicle->position.value, latitude, longitude);
        return is_one ? NULL : "`location` is not a latitude and a longitude";
    }
    if (vehicle->longitude.valid) return "`location.lat` is missing";
    if (vehicle->latitude.valid) return "`location.lon` is missing";
    if (vehicle->lon.valid) return "`lat` is missing";
    return vehicle->lat.valid ? "`lon` is missing" : "`location` is missing";
}

static const char *check_position(const struct config *config, struct vehicle *vehicle) {
    double latitude, longitude;
    const char *fault = find_position(vehicle, &latitude, &longitude);
    if (fault != NULL) return fault;
    if (!(fabs(latitude) <= 90)) return "`location.lat` is out of range [-90, 90]";
    if (!(fabs(longitude) <= 180)) return "`location.lon` is out of range [-180, 180]";
    if (config->null_island == REJECT && latitude == 0 && longitude == 0) {
        return "`location` is 0, 0: the device had no fix";
    }
    vehicle->latitude = (mill_nullable_double){true, latitude};
    vehicle->longitude = (mill_nullable_double){true, longitude};
    return NULL;
}

static const char *check_speed(const struct config *config, struct vehicle *vehicle) {
    if (!vehicle->speed.valid) return "`speed` is missing";
    double kmh = vehicle->speed.value * KMH[config->speed_unit];
    if (!isfinite(vehicle->speed.value)) return "`speed` is not a finite number";
    if (kmh < 0) return "`speed` is negative";
    if (kmh > config->speed_max_kmh) return "`speed` is above the maximum";
    vehicle->speed.value = kmh;
    return NULL;
}

static mill_text configured_word(const struct config *config, vocabulary vocabulary, mill_text text) {
    text = mill_trim(text);
    for (size_t at = 0; at < config->spellings.count; at++) {
        const mill_pair *pair = &config->spellings.pairs[at];
        if (mill_equal_ignoring_case(mill_trim(pair->key), text)) return word_of(vocabulary, pair->value);
    }
    return (mill_text){0};
}

// Replaces a word by its canonical form, or an unknown one by itself without blanks. Whether it may go on.
static bool normalise(const struct config *config, mill_nullable_text *word, vocabulary vocabulary) {
    if (!word->valid) return true;
    mill_text known = word_of(vocabulary, word->value);
    if (known.data == NULL) known = configured_word(config, vocabulary, word->value);
    word->value = known.data != NULL ? known : mill_trim(word->value);
    return known.data != NULL || config->unknown_words == KEEP;
}

static const char *cleanse(struct config *config, struct vehicle *vehicle) {
    const char *fault = check_time(config, vehicle);
    if (fault == NULL) fault = check_position(config, vehicle);
    if (fault == NULL) fault = check_speed(config, vehicle);
    if (fault != NULL) return fault;
    bool is_bearing = vehicle->bearing.value >= 0 && vehicle->bearing.value <= 360;
    if (vehicle->bearing.valid && !is_bearing) return "`bearing` is out of range [0, 360]";
    if (!normalise(config, &vehicle->fuel_type, fuel_types)) return "`fuelType` is not a known fuel type";
    if (!normalise(config, &vehicle->direction, directions)) return "`direction` is not a compass direction";
    vehicle->make.value = mill_trim(vehicle->make.value);
    vehicle->model.value = mill_trim(vehicle->model.value);
    return NULL;
}

static mill_verdict process(void *config, void *vehicle) {
    const char *fault = cleanse(config, vehicle);
    return fault == NULL ? mill_keep() : mill_reject(fault);
}

const mill_plugin millstream_plugin = {
    .name = "cleanse-vehicle",
    .version = "0.1.0",
    .config = MILL_CONFIG(struct config, settings),
    .row = MILL_ROW(struct vehicle, columns),
    .configure = configure,
    .process = process,
};
