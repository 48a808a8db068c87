// Two result files of a bench program side by side: node bench/compare.mjs old.json new.json
import { readFileSync } from 'node:fs';

const [before, after] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')));
if (!after) {
  console.error('usage: node bench/compare.mjs old.json new.json');
  process.exit(2);
}

const show = (v) => (v === undefined || v === null ? '-' : typeof v === 'number' ? String(Number(v.toPrecision(6))) : v);
const change = (a, b) =>
  typeof a === 'number' && typeof b === 'number' && a !== 0 ? `${b >= a ? '+' : ''}${(((b - a) / a) * 100).toFixed(1)} %` : '';

const rows = [...new Set([...Object.keys(before), ...Object.keys(after)])].map((key) => [
  key,
  show(before[key]),
  show(after[key]),
  change(before[key], after[key]),
]);
rows.unshift(['', 'old', 'new', 'change']);
const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => row[i].length)));
for (const row of rows) {
  console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd());
}
