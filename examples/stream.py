"""An answer as it is written, inside an event loop."""

import asyncio
import sys

import penstock


async def main(model: str = "sim/typical") -> None:
    async with penstock.AsyncClient(model, deadline=60) as client:
        async with client.stream("Tell me about canal locks.", max_tokens=120) as stream:
            async for chunk in stream:
                print(chunk.text, end="", flush=True)
        print(f"\n{stream.answer.target}, {stream.answer.finish_reason}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
