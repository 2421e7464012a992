// Configurations fill the author's struct, or every problem is named by its key.

#include "fake_host.h"
#include <cJSON.h>

struct config {
    bool flag;
    int colour;
    int64_t count;
    double limit;
    mill_text name;
    mill_texts tags;
    mill_pairs words;
    const cJSON *rest;
    int configured;
};

enum { RED, GREEN };

static const mill_setting settings[] = {
    MILL_SETTING(struct config, flag, "flag", .fallback = "true"),
    MILL_SETTING(struct config, colour, "colour", .fallback = "\"green\"", .choices = MILL_CHOICES("red", "green")),
    MILL_SETTING(struct config, count, "count", .fallback = "3", .description = "how many"),
    MILL_SETTING(struct config, limit, "limit", .example = "1.5"),
    MILL_SETTING(struct config, name, "name", .fallback = "\"\""),
    MILL_SETTING(struct config, tags, "tags", .fallback = "[\"a\", \"b\"]"),
    MILL_SETTING(struct config, words, "words", .fallback = "{}"),
    MILL_SETTING(struct config, rest, "rest", .fallback = "null"),
};

static struct config *seen;

static void check_config(void *config, mill_problems *problems) {
    seen = config;
    CHECK_THAT(seen->configured == 0);
    seen->configured = 1;
    if (seen->limit < 0) mill_problem(problems, "limit", "%g is below 0", seen->limit);
}

static mill_verdict process_columns(void *config, mill_batch *batch) {
    (void)config, (void)batch;
    return mill_keep();
}

const mill_plugin millstream_plugin = {
    .name = "settings",
    .version = "0.1.0",
    .config = MILL_CONFIG(struct config, settings),
    .configure = check_config,
    .process_columns = process_columns,
};

static bool is(mill_text text, const char *expect) { return mill_equal(text, mill_text_of(expect)); }

static void values_are_filled_in(void) {
    CHECK(configure("{\"limit\": 2.5}", ""), "");
    CHECK_THAT(seen->flag && seen->colour == GREEN && seen->count == 3 && seen->limit == 2.5);
    CHECK_THAT(is(seen->name, "") && seen->tags.count == 2 && is(seen->tags.items[1], "b"));
    CHECK_THAT(seen->words.count == 0 && cJSON_IsNull(seen->rest));
    CHECK(configure("{\"limit\": 0, \"flag\": false, \"colour\": \"red\", \"count\": -9007199254740991, \"name\": "
                    "\"\\u00e9\\n\", \"tags\": [], \"words\": {\"x\": \"y\"}, \"rest\": {\"deep\": [1]}}",
                    ""),
          "");
    CHECK_THAT(!seen->flag && seen->colour == RED && seen->count == -9007199254740991 && seen->limit == 0);
    CHECK_THAT(is(seen->name, "é\n") && seen->tags.count == 0 && is(seen->words.pairs[0].value, "y"));
    CHECK_THAT(cJSON_GetObjectItemCaseSensitive(seen->rest, "deep") != NULL);
}

static void problems_have_paths(void) {
    CHECK(configure("", ""), ".: expected a JSON object\n");
    CHECK(configure("[]", ""), ".: expected a JSON object\n");
    CHECK(configure("{\"Limit\": 1}", ""), "Limit: unknown key\nlimit: is missing\n");
    CHECK(configure("{\"limit\": -1}", ""), "limit: -1 is below 0\n");
    CHECK(configure("{\"limit\": \"1\", \"flag\": 1, \"colour\": \"blue\", \"count\": 1.5, \"name\": null, \"tags\": [1], "
                    "\"words\": {\"a\": []}}",
                    ""),
          "flag: expected true or false, found a number\n"
          "colour: `blue` is none of `red`, `green`\n"
          "count: 1.5 is not a whole number below 2^53\n"
          "limit: expected a number, found a text\n"
          "name: expected a text, found null\n"
          "tags[0]: expected a text, found a number\n"
          "words.a: expected a text, found a list\n");
    CHECK(configure("{\"limit\": 0, \"count\": 9007199254740993}", ""),
          "count: 9.0072e+15 is not a whole number below 2^53\n");
}

static void schema_and_example_follow(void) {
    exports_millstream_plugin_plugin_about_t about = {0};
    exports_millstream_plugin_plugin_describe(&about);
    cJSON *schema = cJSON_ParseWithLength((char *)about.config_schema.val.ptr, about.config_schema.val.len);
    cJSON *example = cJSON_ParseWithLength((char *)about.example_config.ptr, about.example_config.len);
    CHECK(cJSON_PrintUnformatted(cJSON_GetObjectItem(schema, "required")), "[\"limit\"]");
    const cJSON *properties = cJSON_GetObjectItem(schema, "properties");
    CHECK(cJSON_PrintUnformatted(cJSON_GetObjectItem(properties, "count")),
          "{\"type\":\"integer\",\"description\":\"how many\",\"default\":3}");
    CHECK(cJSON_PrintUnformatted(cJSON_GetObjectItem(properties, "colour")),
          "{\"enum\":[\"red\",\"green\"],\"default\":\"green\"}");
    CHECK(cJSON_PrintUnformatted(example), "{\"flag\":true,\"colour\":\"green\",\"count\":3,\"limit\":1.5,\"name\":\"\","
                                           "\"tags\":[\"a\",\"b\"],\"words\":{},\"rest\":null}");
    CHECK(configure(cJSON_PrintUnformatted(example), ""), "");
    exports_millstream_plugin_plugin_about_free(&about);
}

int main(void) {
    values_are_filled_in();
    problems_have_paths();
    schema_and_example_follow();
    return 0;
}
