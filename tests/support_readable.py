"""What of a page somebody could not read: faint texts, controls without a name."""

from __future__ import annotations

from playwright.async_api import Page


async def faint(page: Page) -> list[str]:
    """Texts whose contrast with what lies behind them is below 4.5 (WCAG 2.2, 1.4.3)."""
    found = await page.evaluate(
        """() => {
        const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
        const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3])).concat([1]);
        const parse = (text) => {
          canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
          const d = canvas.getImageData(0, 0, 1, 1).data;
          return [d[0], d[1], d[2], d[3] / 255];
        };
        const behind = (el) => {
          const layers = [];
          for (let at = el; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
          return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
        };
        const light = (c) => {
          const [r, g, b] = c.map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
          return .2126 * r + .7152 * g + .0722 * b;
        };
        const out = [];
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walk.nextNode(); node; node = walk.nextNode()) {
          const el = node.parentElement;
          if (!node.data.trim() || !el.checkVisibility() || el.closest('svg, .unseen, option')) continue;
          const ground = behind(el);
          const [a, b] = [light(over(parse(getComputedStyle(el).color), ground)), light(ground)];
          const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
          if (contrast < 4.5) out.push(`${node.data.trim()}: ${contrast.toFixed(2)}`);
        }
        return out;
      }"""
    )
    return [str(text) for text in found]


async def nameless(page: Page) -> list[str]:
    """Controls, pictures and regions that a screen reader could not name."""
    found = await page.evaluate(
        """() => [...document.querySelectorAll('a, button, input, select, img, progress, [role=region], [role=img]')]
        .filter((el) => el.checkVisibility() && !(el.textContent.trim() || el.getAttribute('aria-label') ||
          el.getAttribute('alt') !== null || (el.labels && el.labels.length)))
        .map((el) => el.outerHTML.slice(0, 120))"""
    )
    return [str(text) for text in found]
