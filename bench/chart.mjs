/** Bar charts as SVG, readable in the light and in the dark. */

const barHeight = 20;
const gap = 8;
const barsWidth = 360;
const valueWidth = 120;
/** Of the labels, at 13 px, rather too much: a label that has too little room is cut off. */
const characterWidth = 7.6;
const top = 44;

const style = `
    text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; }
    .title { font-size: 15px; font-weight: 600; }
    .note { fill: #59636e; }
    .bar { fill: #9aa5b1; }
    .reference { fill: #59636e; }
    .ours { fill: #0969da; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .bar { fill: #4b535d; }
      .reference { fill: #9198a1; }
      .ours { fill: #4493f8; }
    }
  `;

/**
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.note which end is the good one
 * @param {readonly { label: string, value: number, text: string, kind: 'ours' | 'reference' | 'bar' }[]} chart.bars
 */
export function barChart({ title, note, bars }) {
  const values = bars.map(({ value }) => value);
  const scale = scaleFor(values);
  const labelWidth = Math.ceil(20 + characterWidth * Math.max(...bars.map(({ label }) => label.length)));
  const width = labelWidth + barsWidth + valueWidth;
  const height = top + bars.length * (barHeight + gap) + gap;
  const rows = bars.map(({ label, value, text, kind }, index) => {
    const y = top + index * (barHeight + gap);
    const length = Math.max(2, scale.of(value) * barsWidth);
    return [
      `  <text x="${labelWidth - 10}" y="${y + 15}" text-anchor="end">${escaped(label)}</text>`,
      `  <rect class="${kind}" x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="3"/>`,
      `  <text x="${(labelWidth + length + 8).toFixed(1)}" y="${y + 15}">${escaped(text)}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
  <style>${style}</style>
  <text class="title" x="10" y="22">${escaped(title)}</text>
  <text class="note" x="${width - 10}" y="22" text-anchor="end">${escaped(note + scale.note)}</text>
${rows.join('\n')}
</svg>
`;
}

/** Where the longest bar would leave the shortest invisible, each tenth part of the length is a multiple and not a sum. */
function scaleFor(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (most < least * 40) return { of: (value) => value / most, note: '' };
  const floor = Math.log10(least) - 0.5;
  return {
    of: (value) => (Math.log10(value) - floor) / (Math.log10(most) - floor),
    note: ', logarithmic',
  };
}

function escaped(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
