
"use strict";
(() => {
  const every = 3000;
  let since = new Date();
  // What a person has opened or stands on stays as it is when the page is exchanged.
  const mark = (it) => it && (it.id || it.getAttribute("href"));
  function exchange(next) {
    const old = document.querySelector("main");
    const open = new Set([...old.querySelectorAll("details[open]")].map(mark));
    const focus = old.contains(document.activeElement) ? mark(document.activeElement) : null;
    next.querySelectorAll("details").forEach((it) => { it.open = open.has(mark(it)); });
    old.replaceWith(document.adoptNode(next));
    if (focus) {
      const again = [...next.querySelectorAll("a, summary, pre")].find((it) => mark(it) === focus);
      if (again) again.focus({ preventScroll: true });
    }
  }
  async function turn() {
    const selecting = String(document.getSelection()) !== "";
    if (!document.hidden && !selecting) {
      const stale = document.getElementById("stale");
      try {
        const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(every * 2) });
        if (!answer.ok && answer.status !== 404) throw new Error(String(answer.status));
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        exchange(next.querySelector("main"));
        document.title = next.title;
        since = new Date();
        stale.hidden = true;
      } catch {
        document.getElementById("since").textContent = "of " + since.toLocaleTimeString();
        stale.hidden = false;
      }
    }
    setTimeout(turn, every);
  }
  setTimeout(turn, every);
})();
