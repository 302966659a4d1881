// Plots take their colours from the page, also when the reader's theme changes.
const dark = window.matchMedia('(prefers-color-scheme: dark)');
function paint() {
  const css = getComputedStyle(document.documentElement);
  const ink = css.getPropertyValue('--ink').trim();
  const soft = css.getPropertyValue('--soft').trim();
  const grid = css.getPropertyValue('--grid').trim();
  for (const plot of document.querySelectorAll('.js-plotly-plot')) {
    const change = { 'font.color': soft };
    for (const key of Object.keys(plot.layout)) {
      if (!/^[xy]axis\d*$/.test(key)) continue;
      change[`${key}.gridcolor`] = grid;
      change[`${key}.linecolor`] = grid;
      change[`${key}.zerolinecolor`] = grid;
    }
    (plot.layout.annotations || []).forEach((_, i) => {
      change[`annotations[${i}].font.color`] = ink;
    });
    Plotly.relayout(plot, change);
  }
  document.body.dataset.painted = 'yes';
}
dark.addEventListener('change', paint);
paint();
