// Each throws in its own way; the lines are those that component.test.js expects.
export type Fault = 'message' | 'null' | 'clock' | 'random' | 'value' | 'log' | 'deep';

const FAULTS: Record<Fault, (speed: number) => unknown> = {
  message: (speed) => {
    throw new RangeError(`${speed} is too fast`);
  },
  null: () => (null as unknown as { field: number }).field,
  clock: () => Date.now(),
  random: () => Math.random(),
  value: () => {
    throw 'a string';
  },
  log: (speed) => console.warn('speed', speed, { big: 1n }, new Error('x')),
  deep: function deep(speed): unknown {
    return [deep(speed)];
  },
};

export const thrower = (fault: Fault) => FAULTS[fault];
