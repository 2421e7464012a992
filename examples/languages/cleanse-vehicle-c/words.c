#include "words.h"

enum { KEY_BYTES_MAX = 24 };

#define WORD(key, word) \
    { {key, sizeof(key) - 1}, {word, sizeof(word) - 1} }

const struct spelling fuel_types[] = {
    WORD("petrol", "Petrol"),
    WORD("gasoline", "Petrol"),
    WORD("gas", "Petrol"),
    WORD("benzine", "Petrol"),
    WORD("unleaded", "Petrol"),
    WORD("diesel", "Diesel"),
    WORD("derv", "Diesel"),
    WORD("electric", "Electric"),
    WORD("ev", "Electric"),
    WORD("bev", "Electric"),
    WORD("battery", "Electric"),
    WORD("batteryelectric", "Electric"),
    WORD("hybrid", "Hybrid"),
    WORD("hev", "Hybrid"),
    WORD("hybridelectric", "Hybrid"),
    WORD("selfcharginghybrid", "Hybrid"),
    WORD("pluginhybrid", "Plug-in Hybrid"),
    WORD("phev", "Plug-in Hybrid"),
    WORD("pluginhybridelectric", "Plug-in Hybrid"),
    WORD("lpg", "LPG"),
    WORD("autogas", "LPG"),
    WORD("cng", "CNG"),
    WORD("hydrogen", "Hydrogen"),
    WORD("fuelcell", "Hydrogen"),
    WORD("fcev", "Hydrogen"),
    {{NULL, 0}, {NULL, 0}},
};

const struct spelling directions[] = {
    WORD("n", "North"),
    WORD("north", "North"),
    WORD("nne", "North-North-East"),
    WORD("northnortheast", "North-North-East"),
    WORD("ne", "North-East"),
    WORD("northeast", "North-East"),
    WORD("ene", "East-North-East"),
    WORD("eastnortheast", "East-North-East"),
    WORD("e", "East"),
    WORD("east", "East"),
    WORD("ese", "East-South-East"),
    WORD("eastsoutheast", "East-South-East"),
    WORD("se", "South-East"),
    WORD("southeast", "South-East"),
    WORD("sse", "South-South-East"),
    WORD("southsoutheast", "South-South-East"),
    WORD("s", "South"),
    WORD("south", "South"),
    WORD("ssw", "South-South-West"),
    WORD("southsouthwest", "South-South-West"),
    WORD("sw", "South-West"),
    WORD("southwest", "South-West"),
    WORD("wsw", "West-South-West"),
    WORD("westsouthwest", "West-South-West"),
    WORD("w", "West"),
    WORD("west", "West"),
    WORD("wnw", "West-North-West"),
    WORD("westnorthwest", "West-North-West"),
    WORD("nw", "North-West"),
    WORD("northwest", "North-West"),
    WORD("nnw", "North-North-West"),
    WORD("northnorthwest", "North-North-West"),
    {{NULL, 0}, {NULL, 0}},
};

// Letters and digits in lower case; false if they are too many or not ASCII: no known spelling has such.
static bool make_key(mill_text text, char bytes[KEY_BYTES_MAX], mill_text *key) {
    size_t length = 0;
    for (size_t at = 0; at < text.length; at++) {
        char letter = text.data[at];
        if (letter < 0) return false;
        if (letter >= 'A' && letter <= 'Z') letter += 'a' - 'A';
        if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9')) continue;
        if (length == KEY_BYTES_MAX) return false;
        bytes[length++] = letter;
    }
    *key = (mill_text){bytes, length};
    return true;
}

// `northbound` is north.
static mill_text without_bound(mill_text key) {
    const mill_text bound = MILL_TEXT("bound");
    if (key.length < bound.length) return key;
    mill_text end = {key.data + key.length - bound.length, bound.length};
    return mill_equal(end, bound) ? (mill_text){key.data, key.length - bound.length} : key;
}

mill_text word_of(vocabulary vocabulary, mill_text text) {
    char bytes[KEY_BYTES_MAX];
    mill_text key;
    if (!make_key(text, bytes, &key)) return (mill_text){0};
    if (vocabulary == directions) key = without_bound(key);
    for (; vocabulary->key.data != NULL; vocabulary++) {
        if (vocabulary->key.length == key.length && mill_equal(vocabulary->key, key)) return vocabulary->word;
    }
    return (mill_text){0};
}
