// Words: the canonical ones, and the spellings that mean them. Case, blanks and punctuation do not count.

const FUEL_TYPES = {
  Petrol: 'petrol gasoline gas benzine unleaded',
  Diesel: 'diesel derv',
  Electric: 'electric ev bev battery batteryelectric',
  Hybrid: 'hybrid hev hybridelectric selfcharginghybrid',
  'Plug-in Hybrid': 'pluginhybrid phev pluginhybridelectric',
  LPG: 'lpg autogas',
  CNG: 'cng',
  Hydrogen: 'hydrogen fuelcell fcev',
};

const DIRECTIONS = [
  'North', 'North-North-East', 'North-East', 'East-North-East', 'East', 'East-South-East', 'South-East', 'South-South-East',
  'South', 'South-South-West', 'South-West', 'West-South-West', 'West', 'West-North-West', 'North-West', 'North-North-West',
];

/** Answers that are remembered of each vocabulary; texts are many, and most of them the same. */
const REMEMBERED_MAX = 1000;

const fuelTypes = new Map(Object.entries(FUEL_TYPES).flatMap(([word, spellings]) => spellings.split(' ').map((spelling) => [spelling, word])));
const directions = new Map(DIRECTIONS.flatMap((word) => [[lettersOf(word), word], [word.replace(/[^A-Z]/g, '').toLowerCase(), word]]));

function lettersOf(text) {
  return /[^\x00-\x7f]/.test(text) ? undefined : text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

const fuelType = (text) => fuelTypes.get(lettersOf(text));
const direction = (text) => directions.get(lettersOf(text)?.replace(/bound$/, ''));

export class Words {
  /** `spellings` are meant as words of either vocabulary: `Hybird` as `Hybrid`. Their case does not count. */
  static of({ spellings }, problems) {
    const known = new Map();
    for (const spelling of Object.keys(spellings).sort()) {
      const word = fuelType(spellings[spelling]) ?? direction(spellings[spelling]);
      const key = spelling.trim().toLowerCase();
      if (word === undefined) {
        const message = `\`${spellings[spelling]}\` is not a word that this plugin knows: write one that it writes`;
        problems.push({ path: `spellings.${spelling}`, message });
      } else if (!known.has(key)) known.set(key, word);
    }
    return new Words(known);
  }

  constructor(spellings) {
    this.fuelType = remembering((text) => canonical(text, fuelType, spellings));
    this.direction = remembering((text) => canonical(text, direction, spellings));
  }
}

/** The word that a text means in a vocabulary, or the text without blanks around it; null stays null. */
function canonical(text, vocabulary, spellings) {
  if (text === null) return { word: null, isUnknown: false };
  const configured = () => spellings.get(text.trim().toLowerCase());
  const word = vocabulary(text) ?? vocabulary(configured() ?? '');
  return { word: word ?? text.trim(), isUnknown: word === undefined };
}

function remembering(answer) {
  const answers = new Map();
  return (text) => {
    let known = answers.get(text);
    if (known === undefined) {
      if (answers.size >= REMEMBERED_MAX) answers.clear();
      answers.set(text, (known = answer(text)));
    }
    return known;
  };
}
