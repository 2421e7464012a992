import { definePlugin, text } from '@millstream/sdk';
import { HttpError, send, sendMany } from '@millstream/sdk/http';

const cars = new Map();

/** What is known of a car: `!` and the kind of error if nothing is. */
function known(answer) {
  return answer instanceof HttpError ? `!${answer.kind}` : answer.success().json().owner;
}

export default definePlugin({
  columns: { make: text().nullable(), owner: text().nullable().new() },
  prepare({ columns }) {
    const makes = columns.make.filter((make) => make !== null);
    const requests = makes.map((make) => ({ method: 'POST', url: `https://cars.example/${make}`, headers: { accept: 'json' }, body: 'ä' }));
    sendMany(requests).forEach((answer, index) => cars.set(makes[index], known(answer)));
  },
  process(row) {
    row.owner = row.make === null ? send('https://cars.example/none').text() : cars.get(row.make);
  },
});
