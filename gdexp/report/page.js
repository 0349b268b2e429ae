(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll("[data-figure]")];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // What is black on white is light on black; all other colours are read on both.
  const themed = (figure) => {
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text").trim();
    const line = style.getPropertyValue("--line").trim();
    const made = JSON.parse(JSON.stringify(figure).replaceAll('"#000000"', JSON.stringify(text)));
    const axis = { color: text, gridcolor: line, linecolor: line, tickcolor: line };
    const layout = made.layout;
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
      font: { color: text, family: "system-ui, sans-serif" },
    });
    Object.assign(layout.xaxis, axis);
    Object.assign(layout.yaxis, axis);
    return made;
  };

  const narrow = () => window.innerWidth < 600;

  const draw = async (place) => {
    const { data, layout, frames } = themed(figures[Number(place.dataset.figure)]);
    if (narrow()) {
      layout.margin = { l: 45, r: 5, t: 40, b: 45 };
      layout.title.font = { size: 12 };
    }
    const options = { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : "hover" };
    await Plotly.newPlot(place, data, layout, options);
    if (frames) await Plotly.addFrames(place, frames);
  };

  const drawAll = async () => {
    for (const place of plots) await draw(place);
    document.documentElement.dataset.drawn = String(plots.length);
  };
  drawAll();
  dark.addEventListener("change", drawAll);

  const SHOWN = 100;  // rows at a time
  for (const table of document.querySelectorAll("table.searched")) {
    const section = table.closest("section");
    const input = section.querySelector("input[type=search]");
    const told = section.querySelector("output");
    const rows = [...table.tBodies[0].rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      rows.forEach((row, i) => {
        const fits = words.every((word) => texts[i].includes(word));
        found += fits;
        row.hidden = !fits || found > SHOWN;
      });
      const some = found > SHOWN ? `, the first ${SHOWN} shown` : "";
      told.textContent = `${found} of ${rows.length}${some}`;
    };
    input.addEventListener("input", show);
    show();
  }

  document.addEventListener("click", async (event) => {
    const text = event.target.dataset && event.target.dataset.copy;
    if (!text) return;
    try {
      await navigator.clipboard.writeText(text);
      event.target.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(event.target.nextElementSibling);
    }
  });
})();
