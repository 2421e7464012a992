// The configuration: JSON in, the author's struct out, or every problem with the path of its key. Its schema
// and its example are made of the same settings.

#include "internal.h"
#include <cJSON.h>
#include <math.h>
#include <string.h>

static const mill_config *declared(void) { return &millstream_plugin.config; }

static const char *kind_of(const cJSON *value) {
    if (cJSON_IsBool(value)) return "a boolean";
    if (cJSON_IsNumber(value)) return "a number";
    if (cJSON_IsString(value)) return "a text";
    if (cJSON_IsArray(value)) return "a list";
    return cJSON_IsObject(value) ? "an object" : "null";
}

static bool expected(bool is_so, const char *path, const char *what, const cJSON *value, mill_problems *problems) {
    if (!is_so) mill_problem(problems, path, "expected %s, found %s", what, kind_of(value));
    return is_so;
}

static void read_choice(int *field, const mill_setting *setting, const cJSON *value, mill_problems *problems) {
    if (!expected(cJSON_IsString(value), setting->key, "a word", value, problems)) return;
    mill_text words = {0};
    for (int number = 0; setting->choices[number] != NULL; number++) {
        const char *word = setting->choices[number];
        if (strcmp(word, value->valuestring) == 0) {
            *field = number;
            return;
        }
        words = mill_format("%.*s%s`%s`", (int)words.length, words.data, number == 0 ? "" : ", ", word);
    }
    mill_problem(problems, setting->key, "`%s` is none of %.*s", value->valuestring, (int)words.length, words.data);
}

// Numbers are doubles in between, so that only those below 2^53 are sure to be what was written.
static void read_int64(int64_t *field, const mill_setting *setting, const cJSON *value, mill_problems *problems) {
    if (!expected(cJSON_IsNumber(value), setting->key, "a whole number", value, problems)) return;
    double number = value->valuedouble;
    if (number != floor(number) || fabs(number) >= 9007199254740992.0) {
        mill_problem(problems, setting->key, "%g is not a whole number below 2^53", number);
    } else {
        *field = (int64_t)number;
    }
}

static void read_texts(mill_texts *field, const mill_setting *setting, const cJSON *value, mill_problems *problems) {
    if (!expected(cJSON_IsArray(value), setting->key, "a list of texts", value, problems)) return;
    mill_text *items = allocated((size_t)cJSON_GetArraySize(value) * sizeof *items);
    size_t count = 0;
    for (const cJSON *item = value->child; item != NULL; item = item->next) {
        mill_text path = mill_format("%s[%zu]", setting->key, count);
        if (!expected(cJSON_IsString(item), path.data, "a text", item, problems)) return;
        items[count++] = mill_text_of(item->valuestring);
    }
    *field = (mill_texts){items, count};
}

static void read_pairs(mill_pairs *field, const mill_setting *setting, const cJSON *value, mill_problems *problems) {
    if (!expected(cJSON_IsObject(value), setting->key, "an object of texts", value, problems)) return;
    mill_pair *pairs = allocated((size_t)cJSON_GetArraySize(value) * sizeof *pairs);
    size_t count = 0;
    for (const cJSON *item = value->child; item != NULL; item = item->next) {
        mill_text path = mill_format("%s.%s", setting->key, item->string);
        if (!expected(cJSON_IsString(item), path.data, "a text", item, problems)) return;
        pairs[count++] = (mill_pair){mill_text_of(item->string), mill_text_of(item->valuestring)};
    }
    *field = (mill_pairs){pairs, count};
}

static void read_setting(uint8_t *field, const mill_setting *setting, const cJSON *value, mill_problems *problems) {
    const char *key = setting->key;
    switch (setting->type) {
    case MILL_SETTING_BOOL:
        if (expected(cJSON_IsBool(value), key, "true or false", value, problems)) *(bool *)field = cJSON_IsTrue(value);
        break;
    case MILL_SETTING_CHOICE: read_choice((int *)field, setting, value, problems); break;
    case MILL_SETTING_INT64: read_int64((int64_t *)field, setting, value, problems); break;
    case MILL_SETTING_DOUBLE:
        if (expected(cJSON_IsNumber(value), key, "a number", value, problems)) *(double *)field = value->valuedouble;
        break;
    case MILL_SETTING_TEXT:
        if (expected(cJSON_IsString(value), key, "a text", value, problems)) {
            *(mill_text *)field = mill_text_of(value->valuestring);
        }
        break;
    case MILL_SETTING_TEXTS: read_texts((mill_texts *)field, setting, value, problems); break;
    case MILL_SETTING_PAIRS: read_pairs((mill_pairs *)field, setting, value, problems); break;
    case MILL_SETTING_JSON: *(const cJSON **)field = value; break;
    }
}

static cJSON *parsed(const char *json, const char *key) {
    cJSON *value = cJSON_Parse(json);
    if (value == NULL) mill_abort("setting `%s`: `%s` is not JSON", key, json);
    return value;
}

static bool is_setting(const char *key) {
    for (size_t at = 0; at < declared()->count; at++) {
        if (strcmp(declared()->settings[at].key, key) == 0) return true;
    }
    return false;
}

static void read_settings(uint8_t *fields, const cJSON *given, mill_problems *problems) {
    for (const cJSON *item = given->child; item != NULL; item = item->next) {
        if (!is_setting(item->string)) mill_problem(problems, item->string, "unknown key");
    }
    for (size_t at = 0; at < declared()->count; at++) {
        const mill_setting *setting = &declared()->settings[at];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(given, setting->key);
        if (value == NULL && setting->fallback != NULL) value = parsed(setting->fallback, setting->key);
        if (value == NULL) {
            mill_problem(problems, setting->key, "is missing");
        } else {
            read_setting(fields + setting->offset, setting, value, problems);
        }
    }
}

// Texts of the configuration point into what is parsed here, which is therefore never freed.
void *read_config(mill_text json, mill_problems *problems) {
    uint8_t *fields = allocated(declared()->size);
    memset(fields, 0, declared()->size);
    const char *end = NULL;
    const cJSON *given = cJSON_ParseWithLengthOpts(json.data, json.length, &end, false);
    if (given == NULL || !cJSON_IsObject(given)) {
        mill_problem(problems, ".", "expected a JSON object");
    } else {
        read_settings(fields, given, problems);
    }
    return fields;
}

// ---- Schema and example ----

static void describe_type(cJSON *property, const mill_setting *setting) {
    static const char *const types[] = {
        [MILL_SETTING_BOOL] = "boolean", [MILL_SETTING_INT64] = "integer", [MILL_SETTING_DOUBLE] = "number",
        [MILL_SETTING_TEXT] = "string",  [MILL_SETTING_TEXTS] = "array",   [MILL_SETTING_PAIRS] = "object",
        [MILL_SETTING_JSON] = NULL,
    };
    if (setting->type == MILL_SETTING_CHOICE) {
        cJSON *words = cJSON_AddArrayToObject(property, "enum");
        for (const char *const *word = setting->choices; *word != NULL; word++) {
            cJSON_AddItemToArray(words, cJSON_CreateString(*word));
        }
    } else if (types[setting->type] != NULL) {
        cJSON_AddStringToObject(property, "type", types[setting->type]);
    }
    const char *of_texts = setting->type == MILL_SETTING_TEXTS   ? "items"
                           : setting->type == MILL_SETTING_PAIRS ? "additionalProperties"
                                                                 : NULL;
    if (of_texts != NULL) cJSON_AddStringToObject(cJSON_AddObjectToObject(property, of_texts), "type", "string");
}

static char *printed(cJSON *json) {
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    return text;
}

char *config_schema(void) {
    cJSON *schema = cJSON_CreateObject();
    cJSON_AddStringToObject(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
    cJSON_AddStringToObject(schema, "title", millstream_plugin.name);
    cJSON_AddStringToObject(schema, "type", "object");
    cJSON_AddFalseToObject(schema, "additionalProperties");
    cJSON *required = cJSON_AddArrayToObject(schema, "required");
    cJSON *properties = cJSON_AddObjectToObject(schema, "properties");
    for (size_t at = 0; at < declared()->count; at++) {
        const mill_setting *setting = &declared()->settings[at];
        cJSON *property = cJSON_AddObjectToObject(properties, setting->key);
        describe_type(property, setting);
        if (setting->description != NULL) cJSON_AddStringToObject(property, "description", setting->description);
        if (setting->fallback != NULL) {
            cJSON_AddItemToObject(property, "default", parsed(setting->fallback, setting->key));
        } else {
            cJSON_AddItemToArray(required, cJSON_CreateString(setting->key));
        }
    }
    return printed(schema);
}

char *example_config(void) {
    cJSON *example = cJSON_CreateObject();
    for (size_t at = 0; at < declared()->count; at++) {
        const mill_setting *setting = &declared()->settings[at];
        const char *json = setting->example != NULL ? setting->example : setting->fallback;
        if (json != NULL) cJSON_AddItemToObject(example, setting->key, parsed(json, setting->key));
    }
    return printed(example);
}
