#include "words.h"
#include <string.h>

enum { KEY_BYTES_MAX = 24 };

const struct spelling fuel_types[] = {
    {"petrol", "Petrol"},
    {"gasoline", "Petrol"},
    {"gas", "Petrol"},
    {"benzine", "Petrol"},
    {"unleaded", "Petrol"},
    {"diesel", "Diesel"},
    {"derv", "Diesel"},
    {"electric", "Electric"},
    {"ev", "Electric"},
    {"bev", "Electric"},
    {"battery", "Electric"},
    {"batteryelectric", "Electric"},
    {"hybrid", "Hybrid"},
    {"hev", "Hybrid"},
    {"hybridelectric", "Hybrid"},
    {"selfcharginghybrid", "Hybrid"},
    {"pluginhybrid", "Plug-in Hybrid"},
    {"phev", "Plug-in Hybrid"},
    {"pluginhybridelectric", "Plug-in Hybrid"},
    {"lpg", "LPG"},
    {"autogas", "LPG"},
    {"cng", "CNG"},
    {"hydrogen", "Hydrogen"},
    {"fuelcell", "Hydrogen"},
    {"fcev", "Hydrogen"},
    {NULL, NULL},
};

const struct spelling directions[] = {
    {"n", "North"},
    {"north", "North"},
    {"nne", "North-North-East"},
    {"northnortheast", "North-North-East"},
    {"ne", "North-East"},
    {"northeast", "North-East"},
    {"ene", "East-North-East"},
    {"eastnortheast", "East-North-East"},
    {"e", "East"},
    {"east", "East"},
    {"ese", "East-South-East"},
    {"eastsoutheast", "East-South-East"},
    {"se", "South-East"},
    {"southeast", "South-East"},
    {"sse", "South-South-East"},
    {"southsoutheast", "South-South-East"},
    {"s", "South"},
    {"south", "South"},
    {"ssw", "South-South-West"},
    {"southsouthwest", "South-South-West"},
    {"sw", "South-West"},
    {"southwest", "South-West"},
    {"wsw", "West-South-West"},
    {"westsouthwest", "West-South-West"},
    {"w", "West"},
    {"west", "West"},
    {"wnw", "West-North-West"},
    {"westnorthwest", "West-North-West"},
    {"nw", "North-West"},
    {"northwest", "North-West"},
    {"nnw", "North-North-West"},
    {"northnorthwest", "North-North-West"},
    {NULL, NULL},
};

// Letters and digits in lower case; false if they are too many or not ASCII: no known spelling has such.
static bool make_key(mill_text text, char key[KEY_BYTES_MAX + 1]) {
    size_t length = 0;
    for (size_t at = 0; at < text.length; at++) {
        char letter = text.data[at];
        if (letter < 0) return false;
        if (letter >= 'A' && letter <= 'Z') letter += 'a' - 'A';
        if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9')) continue;
        if (length == KEY_BYTES_MAX) return false;
        key[length++] = letter;
    }
    key[length] = 0;
    return true;
}

// `northbound` is north.
static void strip_bound(char *key) {
    size_t length = strlen(key), bound = strlen("bound");
    if (length >= bound && strcmp(key + length - bound, "bound") == 0) key[length - bound] = 0;
}

const char *word_of(vocabulary vocabulary, mill_text text) {
    char key[KEY_BYTES_MAX + 1];
    if (!make_key(text, key)) return NULL;
    if (vocabulary == directions) strip_bound(key);
    for (; vocabulary->key != NULL; vocabulary++) {
        if (*vocabulary->key == *key && strcmp(vocabulary->key, key) == 0) return vocabulary->word;
    }
    return NULL;
}
