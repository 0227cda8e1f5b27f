/* What the page does beyond links and a form; without it everything is a page of its own. */
"use strict";
(() => {
  const words = document.body.dataset;

  /* An explanation is fetched from the document's page and shown below its hit. */
  const explain = async (button, hit, address) => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    button.firstChild.textContent = open ? words.why : words.hide;
    const shown = hit.querySelector(".inline-why");
    if (shown) {
      shown.hidden = open;
      return;
    }
    const place = document.createElement("div");
    place.className = "inline-why";
    place.setAttribute("role", "status");
    place.textContent = words.loading;
    hit.append(place);
    try {
      const answer = await fetch(address, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const why = page.getElementById("why");
      if (!answer.ok || !why) throw new Error(String(answer.status));
      own(why, place);
      place.removeAttribute("role");
    } catch {
      const link = document.createElement("a");
      link.href = address;
      link.textContent = words.why;
      place.replaceChildren(words.failed, " ", link);
    }
  };

  /* Ids of a fetched part are made its own: several are on the page at once. */
  let count = 0;
  const own = (why, place) => {
    count += 1;
    for (const node of why.querySelectorAll("[id]")) node.id += `-${count}`;
    for (const node of [why, ...why.querySelectorAll("[aria-labelledby]")]) {
      const names = (node.getAttribute("aria-labelledby") || "").split(" ");
      node.setAttribute("aria-labelledby", names.map((name) => `${name}-${count}`).join(" "));
    }
    why.removeAttribute("id");
    const level = place.closest(".hit").querySelector("h2") ? 3 : 4;
    for (const title of why.querySelectorAll("h2, h3")) {
      const lower = document.createElement(`h${Math.min(level + (title.tagName === "H3"), 6)}`);
      lower.id = title.id;
      lower.textContent = title.textContent;
      title.replaceWith(lower);
    }
    place.replaceChildren(why);
  };

  for (const link of document.querySelectorAll("a.why")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "why";
    button.setAttribute("aria-expanded", "false");
    button.append(...link.childNodes);
    const address = link.href;
    link.replaceWith(button);
    button.addEventListener("click", () => explain(button, button.closest(".hit"), address));
  }

  /* Words are marked once the hits are there: each is read anew for that. */
  const mark = async (link) => {
    const answer = await fetch(link.href, { credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const lists = page.querySelectorAll(".hits");
    document.querySelectorAll(".hits").forEach((list, place) => {
      const marked = [...(lists[place]?.querySelectorAll(".hit") ?? [])];
      for (const hit of list.querySelectorAll(".hit")) {
        const twin = marked.find((other) => other.dataset.id === hit.dataset.id);
        if (twin) hit.querySelector(".snippet").replaceWith(twin.querySelector(".snippet"));
      }
    });
    if (document.querySelector(".snippet mark")) link.replaceWith(page.querySelector("a.marks"));
    else link.remove();
  };
  const later = document.querySelector("a.marks[data-later]");
  if (later) mark(later).catch(() => {});

  /* The panels behind the chips close when one turns to something else. */
  const chips = [...document.querySelectorAll("details.chip")];
  document.addEventListener("click", (event) => {
    for (const chip of chips) if (!chip.contains(event.target)) chip.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const chip of chips) {
      if (!chip.open) continue;
      chip.open = false;
      if (chip.contains(document.activeElement)) chip.querySelector("summary").focus();
    }
  });

  /* Of two lists, the same document in the other one stands out. */
  const lightUp = (event, on) => {
    const hit = event.target.closest?.(".pane .hit");
    if (!hit) return;
    for (const other of document.querySelectorAll(".pane .hit")) {
      if (other.dataset.id === hit.dataset.id) other.classList.toggle("twin", on);
    }
  };
  for (const [name, on] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
    document.addEventListener(name, (event) => lightUp(event, on));
  }

  for (const form of document.querySelectorAll("form.ask")) {
    form.addEventListener("submit", () => form.setAttribute("aria-busy", "true"));
  }
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form.ask")) form.removeAttribute("aria-busy");
  });
})();
