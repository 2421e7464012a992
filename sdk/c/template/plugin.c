// {{name}}: adds what a thermometer shows in Fahrenheit, and rejects readings that cannot be true.

#include <millstream.h>

static const double ABSOLUTE_ZERO_CELSIUS = -273.15;

// One reading: the columns that the plugin looks at. No other column enters it.
struct reading {
    mill_nullable_text sensor;    // read, and written back
    mill_nullable_double celsius; // null if the message does not say
    double fahrenheit;            // a new column
};

static const mill_column columns[] = {
    MILL_COLUMN(struct reading, sensor, "sensor", MILL_WRITE),
    MILL_COLUMN(struct reading, celsius, "celsius", MILL_READ),
    MILL_COLUMN(struct reading, fahrenheit, "fahrenheit", MILL_NEW),
};

// The parameters of a step that runs the plugin.
struct config {
    double celsius_max;
};

static const mill_setting settings[] = {
    MILL_SETTING(struct config, celsius_max, "celsius_max", .example = "60",
                 .description = "What shows more than this is rejected, in degrees Celsius"),
};

static mill_verdict process(void *config, void *row) {
    const struct config *parameters = config;
    struct reading *reading = row;
    if (!reading->celsius.valid) return mill_reject("`celsius` is missing");
    double celsius = reading->celsius.value;
    if (celsius < ABSOLUTE_ZERO_CELSIUS) return mill_reject("`celsius` is below absolute zero");
    if (celsius > parameters->celsius_max) return mill_reject("`celsius` is above `celsius_max`");
    reading->sensor.value = mill_trim(reading->sensor.value);
    reading->fahrenheit = celsius * 9 / 5 + 32;
    return mill_keep();
}

const mill_plugin millstream_plugin = {
    .name = "{{name}}",
    .version = "0.1.0",
    .config = MILL_CONFIG(struct config, settings),
    .row = MILL_ROW(struct reading, columns),
    .process = process,
};
